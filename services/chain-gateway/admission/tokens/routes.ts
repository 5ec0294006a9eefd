import type { Request } from 'express';
import type { JWK } from 'jose';
import { z } from 'zod';
import type { CursorCodec } from '../../../../lib/cursor.ts';
import { AppError, type ErrorCode } from '../../../../lib/errors.ts';
import type { Authenticator } from '../../../../lib/http/app.ts';
import { defineRoute, type Principal, type Route, reply } from '../../../../lib/http/route.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { listAllotments, statementOf, usageOf } from './allotment-store.ts';
import type { DpopVerifier } from './dpop.ts';
import type { CallTokenService, IssuedToken } from './service.ts';
import type { CallTokens } from './token-jwt.ts';
import type { TokenPrincipals } from './token-principal.ts';
import {
  ACCESS_TOKEN,
  allotmentSchema,
  allotmentView,
  exchangeSchema,
  issuedSchema,
  statementLineSchema,
  subjectTokenSchema,
  TOKEN_EXCHANGE,
  usageSchema,
} from './token-schema.ts';

const tags = ['call tokens'];
const idParams = z.object({ id: z.uuid() });
const owners = ['call-token', 'service'] as const;
/** What can be wrong with an authorization, whatever it is sent for. */
const SIGNED_ERRORS: ErrorCode[] = [
  'amount_too_large',
  'asset_not_accepted',
  'authorization_expired',
  'authorization_not_yet_valid',
  'dependency_unavailable',
  'chain_unavailable',
  'invalid_argument',
  'invalid_scope',
  'invalid_signature',
  'nonce_reused',
  'payer_not_accepted',
  'signature_malleable',
  'token_revoked',
  'wallet_refused',
  'wallet_stuck',
  'wrong_audience',
  'wrong_chain',
  'wrong_contract',
  'wrong_signing_domain',
];
const PROOF_ERRORS: ErrorCode[] = ['dpop_invalid', 'dpop_replayed', 'dpop_required'];

export interface CallTokenRouteDeps {
  readonly service: CallTokenService;
  readonly postgres: GatewayPostgres;
  readonly publicJwks: () => readonly JWK[];
  readonly dpop: DpopVerifier;
  readonly cursors: CursorCodec;
  readonly clock: Pick<Clock, 'now'>;
}

const calledUrl = (req: Request): string => `http://${req.headers.host ?? 'localhost'}${req.originalUrl}`;

/** `/v1/call-tokens…`: for those who pay for calls, and for our own services. */
export function createCallTokenRoutes(deps: CallTokenRouteDeps): Route[] {
  const { service, postgres, dpop, cursors, clock } = deps;

  const provenKey = async (req: Request): Promise<string | undefined> => {
    const proof = req.headers.dpop;
    if (proof === undefined) return undefined;
    return (await dpop.verify(String(proof), { method: req.method, url: calledUrl(req) })).thumbprint;
  };
  const view = (issued: IssuedToken) => ({
    access_token: issued.accessToken,
    issued_token_type: ACCESS_TOKEN as typeof ACCESS_TOKEN,
    token_type: issued.bound ? ('DPoP' as const) : ('Bearer' as const),
    expires_in: issued.expiresIn,
    scope: issued.scope,
    ...(issued.refreshToken === undefined ? {} : { refresh_token: issued.refreshToken }),
    allotment: allotmentView(issued.allotment, clock.now()),
  });
  /** A token sees its own budget and no other. */
  const mine = (principal: Principal, id: string): void => {
    if (principal.kind === 'call-token' && principal.id !== id)
      throw new AppError('not_found', `There is no allotment ${id}.`);
  };

  const exchange = defineRoute({
    method: 'post',
    path: '/v1/call-tokens',
    operationId: 'exchangeCallToken',
    summary: 'Exchange a signed spend authorization for a call token, or refresh one',
    description:
      'One EIP-712 signature authorises a budget; many concurrent calls spend from it. In the shape of RFC 8693. Sent again, the same authorization gives another token for the same budget. A budget that is bound to a key needs a DPoP header (RFC 9449).',
    tags,
    auth: ['public'],
    requestHeaders: z.object({ dpop: z.string().max(4_096).optional() }),
    body: exchangeSchema,
    responses: { 200: { description: 'A token for at most five minutes', schema: issuedSchema } },
    errors: [...SIGNED_ERRORS, ...PROOF_ERRORS, 'invalid_token'],
    async handler({ body, req }) {
      const key = await provenKey(req);
      if (body.grant_type !== TOKEN_EXCHANGE)
        return reply(200, view(await service.refresh({ refreshToken: body.refresh_token, provenKey: key })));
      const { scope, ...signed } = body.subject_token;
      return reply(
        200,
        view(
          await service.exchange({
            signed,
            scope,
            tokenScope: body.scope,
            clientId: body.client_id,
            provenKey: key,
          }),
        ),
      );
    },
  });

  const topUp = defineRoute({
    method: 'post',
    path: '/v1/call-tokens/{id}/top-ups',
    operationId: 'topUpCallToken',
    summary: 'Add a further authorization to a budget',
    description:
      'Tokens that are out stay good and spend from the larger budget. The limits of the budget and its end stay as they were first signed.',
    tags,
    auth: ['public'],
    params: idParams,
    body: z.strictObject({ subject_token: subjectTokenSchema }),
    responses: { 200: { description: 'The budget as it is now', schema: allotmentSchema } },
    errors: [...SIGNED_ERRORS, 'not_found', 'top_up_mismatch'],
    async handler({ params, body }) {
      const { scope, ...signed } = body.subject_token;
      return reply(200, allotmentView(await service.topUp(params.id, { signed, scope }), clock.now()));
    },
  });

  const revoke = defineRoute({
    method: 'post',
    path: '/v1/call-tokens/{id}/revoke',
    operationId: 'revokeCallToken',
    summary: 'End a budget and every token of it, at once and everywhere',
    description: 'No call begins after the answer; what is under way finishes and is charged.',
    tags,
    auth: owners,
    params: idParams,
    responses: { 200: { description: 'Revoked', schema: allotmentSchema } },
    errors: ['not_found', 'dependency_unavailable', ...PROOF_ERRORS],
    async handler({ params, principal }) {
      mine(principal, params.id);
      return reply(200, allotmentView(await service.revoke(params.id), clock.now()));
    },
  });

  const usage = defineRoute({
    method: 'get',
    path: '/v1/call-tokens/{id}',
    operationId: 'getCallTokenUsage',
    summary: 'Read a budget and what was spent of it',
    tags,
    auth: owners,
    params: idParams,
    responses: {
      200: { description: 'As posted; running calls follow within a second', schema: usageSchema },
    },
    errors: ['not_found', ...PROOF_ERRORS],
    async handler({ params, principal }) {
      mine(principal, params.id);
      const row = await service.get(params.id);
      const used = await usageOf(postgres.db, params.id);
      return reply(200, {
        allotment: allotmentView(row, clock.now()),
        calls: { settled: used.settled, released: used.released, expired: used.expired },
        computeUnits: String(used.units),
        firstCallAt: used.first_at?.toISOString() ?? null,
        lastCallAt: used.last_at?.toISOString() ?? null,
      });
    },
  });

  const pageQuery = {
    cursor: z.string().optional(),
    limit: z.coerce.number().int().min(1).max(200).default(50),
  };
  const pageOf = z.object({ next: z.string().nullable(), hasMore: z.boolean() });

  const statement = defineRoute({
    method: 'get',
    path: '/v1/call-tokens/{id}/statement',
    operationId: 'getCallTokenStatement',
    summary: 'Every call of a budget and what it cost, newest first',
    tags,
    auth: owners,
    params: idParams,
    query: z.strictObject({
      state: z.enum(['settled', 'released', 'expired']).optional(),
      from: z.iso.datetime({ offset: true }).optional(),
      to: z.iso.datetime({ offset: true }).optional(),
      ...pageQuery,
    }),
    responses: {
      200: {
        description: 'One page',
        schema: z.object({ data: z.array(statementLineSchema), page: pageOf }),
      },
    },
    errors: ['not_found', 'invalid_cursor', ...PROOF_ERRORS],
    async handler({ params, principal, query: { cursor, limit, state, from, to } }) {
      mine(principal, params.id);
      await service.get(params.id);
      const name = `statement/${params.id}?${JSON.stringify({ state, from, to })}`;
      const before = cursor === undefined ? undefined : Number(cursors.decode(name, cursor)[0]);
      const rows = await statementOf(
        postgres.db,
        params.id,
        {
          state,
          from: from === undefined ? undefined : new Date(from),
          to: to === undefined ? undefined : new Date(to),
        },
        { before, limit: limit + 1 },
      );
      const hasMore = rows.length > limit;
      const shown = rows.slice(0, limit);
      return reply(200, {
        data: shown.map((row) => ({
          callId: row.call_id,
          at: row.at.toISOString(),
          method: row.method,
          state: row.state,
          held: String(row.held),
          charged: String(row.amount),
          computeUnits: String(row.units),
        })),
        page: { hasMore, next: hasMore ? cursors.encode(name, [shown.at(-1)?.seq ?? 0]) : null },
      });
    },
  });

  const list = defineRoute({
    method: 'get',
    path: '/v1/call-tokens',
    operationId: 'listCallTokens',
    summary: 'List budgets, newest first',
    tags,
    auth: ['service'],
    query: z.strictObject({
      payer: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .transform((text) => text.toLowerCase())
        .optional(),
      state: z.enum(['active', 'ended']).optional(),
      ...pageQuery,
    }),
    responses: {
      200: { description: 'One page', schema: z.object({ data: z.array(allotmentSchema), page: pageOf }) },
    },
    errors: ['invalid_cursor'],
    async handler({ query: { cursor, limit, ...filter } }) {
      const name = `call-tokens?${JSON.stringify(filter)}`;
      const before = cursor === undefined ? undefined : String(cursors.decode(name, cursor)[0]);
      const rows = await listAllotments(postgres.db, filter, { before, limit: limit + 1 });
      const hasMore = rows.length > limit;
      const shown = rows.slice(0, limit);
      return reply(200, {
        data: shown.map((row) => allotmentView(row, clock.now())),
        page: { hasMore, next: hasMore ? cursors.encode(name, [shown.at(-1)?.id ?? '']) : null },
      });
    },
  });

  const jwks = defineRoute({
    method: 'get',
    path: '/.well-known/jwks.json',
    operationId: 'getCallTokenKeys',
    summary: 'Public keys that call tokens are signed with',
    description: 'A key is published an hour before it signs and an hour after its last token has expired.',
    tags,
    auth: ['public'],
    responses: {
      200: {
        description: 'A JWK set (RFC 7517)',
        schema: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
      },
    },
    errors: [],
    handler: () => reply(200, { keys: deps.publicJwks() }, { 'cache-control': 'public, max-age=300' }),
  });

  return [exchange, list, usage, statement, topUp, revoke, jwks];
}

const CREDENTIAL = /^(Bearer|DPoP) +(\S+)$/i;

/** Call tokens as credentials of REST routes. */
export function callTokenAuthenticator(deps: {
  tokens: CallTokens;
  owns: (token: string) => boolean;
  /** Goes along as the claim `admission`, for routes whose calls are paid from the token's budget. */
  principalOf: TokenPrincipals['of'];
  dpop: DpopVerifier;
}): Authenticator {
  return async (req) => {
    const text = CREDENTIAL.exec(req.headers.authorization ?? '')?.[2];
    if (text === undefined || !deps.owns(text)) return undefined;
    const token = await deps.tokens.verify(text);
    if (token === 'expired') throw new AppError('expired_token', 'The call token has expired; refresh it.');
    if (typeof token === 'string') throw new AppError('invalid_token', 'The call token is not valid here.');
    if (token.jkt !== null) {
      if (typeof req.headers.dpop !== 'string')
        throw new AppError(
          'dpop_required',
          'This call token is bound to a key: send a DPoP header (RFC 9449).',
        );
      const { thumbprint } = await deps.dpop.verify(req.headers.dpop, {
        method: req.method,
        url: calledUrl(req),
        accessToken: text,
      });
      if (thumbprint !== token.jkt)
        throw new AppError(
          'dpop_invalid',
          'The proof of possession is by another key than the token is bound to.',
        );
    }
    return {
      kind: 'call-token',
      id: token.allotmentId,
      scopes: new Set(token.scope.split(' ')),
      claims: { admission: deps.principalOf(token) },
    };
  };
}
