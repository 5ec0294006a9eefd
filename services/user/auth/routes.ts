import type { Request } from 'express';
import type { JWK } from 'jose';
import { z } from 'zod';
import { addressSchema, hexSchema } from '../../../lib/address.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { coarseDevice, coarsePlace } from './rules.ts';
import type { Auth, Client, Tokens } from './service.ts';

/** Coarse facts about the client; the exact ones are not kept. */
export const clientOf = (req: Request): Client => ({
  device: coarseDevice(req.get('user-agent')),
  place: coarsePlace(req.ip),
});

export const tokensSchema = z
  .object({
    personId: z.uuid(),
    sessionId: z.uuid(),
    tokenType: z.literal('Bearer'),
    accessToken: z.string().describe('ES256 JWT for all our services; verify it with /.well-known/jwks.json'),
    expiresIn: z.number().int().describe('Seconds'),
    refreshToken: z.string().describe('Use once; each refresh answers the next one'),
    refreshExpiresAt: z.iso.datetime(),
  })
  .meta({ id: 'Tokens' });

export const tokensJson = (tokens: Tokens) => ({
  personId: tokens.personId,
  sessionId: tokens.sessionId,
  tokenType: 'Bearer' as const,
  accessToken: tokens.accessToken,
  expiresIn: tokens.expiresInSeconds,
  refreshToken: tokens.refreshToken,
  refreshExpiresAt: tokens.refreshExpiresAt.toISOString(),
});

export const signedMessageSchema = {
  message: z.string().max(8_192).describe('The EIP-4361 message, exactly as it was signed'),
  signature: hexSchema(4_096).describe(
    'By the key of the address, or what its contract accepts (ERC-1271, ERC-6492)',
  ),
};

const challengeSchema = z
  .object({
    nonce: z.string(),
    expiresAt: z.iso.datetime(),
    domain: z.string(),
    uri: z.string(),
    chainIds: z.array(z.number().int()),
    message: z.string().optional().describe('Ready to sign, when the address was given'),
  })
  .meta({ id: 'SignInChallenge' });

const refreshBody = z.strictObject({ refreshToken: z.string().min(20).max(200) });
const signInErrors = [
  'invalid_argument',
  'expired_token',
  'invalid_signature',
  'nonce_used',
  'chain_unavailable',
  'rate_limited',
] as const;

export function authRoutes(deps: {
  auth: Auth;
  endSession: (refreshToken: string) => Promise<void>;
  jwks: () => readonly JWK[];
}): Route[] {
  const { auth, endSession, jwks } = deps;
  return [
    defineRoute({
      method: 'post',
      path: '/v1/auth/nonce',
      operationId: 'createNonce',
      summary: 'A nonce for one sign-in message',
      description: 'With an address, the answer holds the whole EIP-4361 message to sign.',
      tags: ['Sign-in'],
      auth: ['public'],
      body: z
        .strictObject({ address: addressSchema.optional(), chainId: z.number().int().positive().optional() })
        .prefault({}),
      responses: { 201: { description: 'The nonce; valid five minutes, once', schema: challengeSchema } },
      errors: ['invalid_argument', 'rate_limited'],
      async handler({ body }) {
        const challenge = await auth.challenge({
          purpose: 'login',
          ...(body.address === undefined ? {} : { address: body.address }),
          ...(body.chainId === undefined ? {} : { chainId: body.chainId }),
        });
        return reply(201, { ...challenge, expiresAt: challenge.expiresAt.toISOString() });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/auth/siwe',
      operationId: 'signInWithEthereum',
      summary: 'Sign in with a signed EIP-4361 message',
      description:
        'An address that nobody has linked makes a new person. Plain keys and contract wallets both work.',
      tags: ['Sign-in'],
      auth: ['public'],
      body: z.strictObject(signedMessageSchema),
      responses: {
        200: {
          description: 'Signed in',
          schema: tokensSchema.extend({ isNew: z.boolean() }).meta({ id: 'SignedIn' }),
        },
      },
      errors: [...signInErrors],
      async handler({ body, req }) {
        const tokens = await auth.signIn(body, clientOf(req));
        return reply(200, { ...tokensJson(tokens), isNew: tokens.isNew });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/auth/refresh',
      operationId: 'refreshTokens',
      summary: 'Exchange the refresh token for new tokens',
      description:
        'A refresh token works once. A second use closes the session, for it may have been stolen.',
      tags: ['Sign-in'],
      auth: ['public'],
      body: refreshBody,
      responses: { 200: { description: 'New tokens', schema: tokensSchema } },
      errors: ['invalid_token', 'session_revoked', 'refresh_token_reused', 'rate_limited'],
      handler: async ({ body }) => reply(200, tokensJson(await auth.refresh(body.refreshToken))),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/auth/logout',
      operationId: 'signOut',
      summary: 'Close the session of a refresh token',
      tags: ['Sign-in'],
      auth: ['public'],
      body: refreshBody,
      responses: { 204: { description: 'Closed, or was closed before' } },
      errors: [],
      async handler({ body }) {
        await endSession(body.refreshToken);
        return reply(204);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/.well-known/jwks.json',
      operationId: 'getJwks',
      summary: 'Public keys of the access tokens',
      tags: ['Sign-in'],
      auth: ['public'],
      responses: {
        200: {
          description: 'JSON Web Key Set (RFC 7517); holds the next key well before it signs',
          schema: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }),
        },
      },
      errors: [],
      handler: () => reply(200, { keys: jwks() }, { 'cache-control': 'public, max-age=300' }),
    }),
  ];
}
