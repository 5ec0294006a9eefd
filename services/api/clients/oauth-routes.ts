import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { ClientService } from './service.ts';

const FORM = 'application/x-www-form-urlencoded';

/** A form arrives as bytes; each field once (RFC 6749 section 3.2: parameters must not repeat). */
const form = <S extends z.ZodRawShape>(shape: S) =>
  z.preprocess((value, ctx) => {
    if (!(value instanceof Uint8Array)) return {};
    const fields: Record<string, string> = {};
    for (const [name, text] of new URLSearchParams(Buffer.from(value).toString('utf8'))) {
      if (Object.hasOwn(fields, name))
        ctx.addIssue({ code: 'custom', path: [name], message: 'given more than once' });
      fields[name] = text;
    }
    return fields;
  }, z.object(shape));

const credentials = {
  client_id: z.string().max(100).optional().describe('Unless sent by HTTP Basic'),
  client_secret: z.string().max(200).optional().describe('Unless sent by HTTP Basic'),
};

/** Client id and secret from `Authorization: Basic` (percent-decoded, RFC 6749 section 2.3.1) or from the form. */
function clientOf(
  header: string | undefined,
  body: { client_id?: string | undefined; client_secret?: string | undefined },
): { id: string; secret: string } {
  const basic = header ? /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header)?.[1] : undefined;
  if (basic !== undefined) {
    const [id = '', secret = ''] = Buffer.from(basic, 'base64').toString('utf8').split(/:(.*)/s);
    try {
      return { id: decodeURIComponent(id), secret: decodeURIComponent(secret) };
    } catch {
      return { id, secret };
    }
  }
  return { id: body.client_id ?? '', secret: body.client_secret ?? '' };
}

/** The same refusal in the words of RFC 6749 section 5.2, beside ours. */
const asOAuth = (error: unknown): unknown => {
  if (!(error instanceof AppError)) return error;
  const code =
    error.code === 'insufficient_scope'
      ? 'invalid_scope'
      : error.kind.status === 401
        ? 'invalid_client'
        : undefined;
  return code === undefined
    ? error
    : new AppError(error.code, error.message, { extra: { error: code, error_description: error.message } });
};

/** OAuth 2 for partners: client credentials grant (RFC 6749 section 4.4) and revocation (RFC 7009). */
export function oauthRoutes({ clients }: { clients: ClientService }): Route[] {
  const tags = ['OAuth'];
  const requestHeaders = z.object({
    authorization: z.string().max(1_000).optional().describe('HTTP Basic with client id and secret'),
  });
  return [
    defineRoute({
      method: 'post',
      path: '/v1/oauth/token',
      operationId: 'createAccessToken',
      summary: 'Exchange client credentials for an access token',
      description: 'The token lasts ten minutes and goes into `Authorization: Bearer`.',
      tags,
      auth: ['public'],
      extensions: { 'x-resource-owner': 'none' },
      requestHeaders,
      bodyType: FORM,
      body: form({
        grant_type: z.literal('client_credentials', 'expected client_credentials'),
        scope: z.string().max(1_000).optional().describe('Space-separated; all of the client when left out'),
        ...credentials,
      }),
      responses: {
        200: {
          description: 'The token.',
          schema: z
            .object({
              access_token: z.string(),
              token_type: z.literal('Bearer'),
              expires_in: z.number().int(),
              scope: z.string(),
            })
            .meta({ id: 'AccessToken' }),
        },
      },
      errors: [
        'invalid_token',
        'expired_token',
        'insufficient_scope',
        'rate_limited',
        'dependency_unavailable',
      ],
      handler: async ({ headers, body }) => {
        const { id, secret } = clientOf(headers.authorization, body);
        const granted = await clients
          .grantClientCredentials(id, secret, body.scope)
          .catch((error: unknown) => {
            throw asOAuth(error);
          });
        return reply(
          200,
          {
            access_token: granted.accessToken,
            token_type: 'Bearer',
            expires_in: granted.expiresInSeconds,
            scope: granted.scope,
          },
          { 'cache-control': 'no-store' },
        );
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/oauth/revoke',
      operationId: 'revokeAccessToken',
      summary: 'End an access token before its time',
      tags,
      auth: ['public'],
      extensions: { 'x-resource-owner': 'none' },
      requestHeaders,
      bodyType: FORM,
      body: form({
        token: z.string().min(1).max(200),
        token_type_hint: z.string().max(50).optional(),
        ...credentials,
      }),
      responses: { 200: { description: 'It is no longer valid, or never was.' } },
      errors: ['invalid_token', 'expired_token', 'rate_limited', 'dependency_unavailable'],
      handler: async ({ headers, body }) => {
        const { id, secret } = clientOf(headers.authorization, body);
        await clients.revokeToken(id, secret, body.token).catch((error: unknown) => {
          throw asOAuth(error);
        });
        return reply(200);
      },
    }),
  ];
}
