import { z } from 'zod';
import type { AllotmentRow } from './allotment-store.ts';
import { spendAuthorizationSchema } from './spend-authorization.ts';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const SPEND_AUTHORIZATION_TOKEN = 'urn:rejuve:params:oauth:token-type:spend-authorization';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const signedSchema = z
  .strictObject({
    domain: z.object({
      name: z.string().max(100),
      version: z.string().max(20),
      chainId: z.coerce.number().int().positive(),
      verifyingContract: z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address'),
    }),
    authorization: spendAuthorizationSchema,
    scope: z.string().min(4).max(1_000).describe('The text whose keccak256 is scopeHash'),
    signature: z
      .string()
      .regex(/^0x([0-9a-fA-F]{2}){1,8192}$/, 'expected bytes in hex')
      .describe('EIP-712 signature of the payer: a key, ERC-1271, or ERC-6492'),
  })
  .meta({ id: 'SignedSpendAuthorization' });

/** RFC 8693 wants a string; JSON clients may leave the encoding out. */
export const subjectTokenSchema = z.union([
  signedSchema,
  z
    .string()
    .max(20_000)
    .regex(/^[A-Za-z0-9_-]+$/, 'expected base64url of the JSON')
    .transform((text, ctx) => {
      try {
        const parsed = signedSchema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString()));
        if (parsed.success) return parsed.data;
        for (const issue of parsed.error.issues)
          ctx.addIssue({ code: 'custom', message: issue.message, path: issue.path });
      } catch {
        ctx.addIssue({ code: 'custom', message: 'expected base64url of the JSON' });
      }
      return z.NEVER;
    }),
]);

export const exchangeSchema = z.discriminatedUnion('grant_type', [
  z.strictObject({
    grant_type: z.literal(TOKEN_EXCHANGE),
    subject_token: subjectTokenSchema,
    subject_token_type: z.literal(SPEND_AUTHORIZATION_TOKEN),
    scope: z.string().min(4).max(1_000).optional().describe('Less than what was signed, for this token only'),
    client_id: z
      .string()
      .regex(/^[\x21-\x7e]{1,200}$/)
      .optional()
      .describe('Who uses the token; the subject is different for each'),
  }),
  z.strictObject({ grant_type: z.literal('refresh_token'), refresh_token: z.string().min(20).max(200) }),
]);

const amount = z.string().regex(/^\d+$/).describe('Smallest unit of the asset');

export const allotmentSchema = z
  .object({
    id: z.uuid(),
    chainId: z.number().int(),
    payer: z.string(),
    asset: z.string(),
    unitPrice: amount.describe('Price of one compute unit'),
    state: z.enum(['active', 'revoked', 'expired', 'exhausted']),
    authorized: amount,
    spent: amount,
    leased: amount.describe('Within reach of running calls: partly held, partly unspent'),
    available: amount,
    maxPerCall: amount,
    maxInFlight: z.number().int(),
    scope: z.string(),
    audience: z.string(),
    boundTo: z.string().nullable().describe('Thumbprint of the key that must prove possession'),
    epoch: z.number().int(),
    validAfter: z.iso.datetime(),
    validBefore: z.iso.datetime(),
    revokedAt: z.iso.datetime().nullable(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'Allotment' });

export const issuedSchema = z
  .object({
    access_token: z.string(),
    issued_token_type: z.literal(ACCESS_TOKEN),
    token_type: z.enum(['Bearer', 'DPoP']),
    expires_in: z.number().int().describe('Seconds'),
    scope: z.string(),
    refresh_token: z.string().optional().describe('Left out by a refresh: the one that was used stays good'),
    allotment: allotmentSchema,
  })
  .meta({ id: 'IssuedCallToken' });

export const usageSchema = z
  .object({
    allotment: allotmentSchema,
    calls: z.object({ settled: z.number().int(), released: z.number().int(), expired: z.number().int() }),
    computeUnits: z.string().describe('Of the settled calls'),
    firstCallAt: z.iso.datetime().nullable(),
    lastCallAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'CallTokenUsage' });

export const statementLineSchema = z
  .object({
    callId: z.string(),
    at: z.iso.datetime(),
    method: z.string(),
    state: z.enum(['settled', 'released', 'expired']),
    held: amount,
    charged: amount,
    computeUnits: z.string(),
  })
  .meta({ id: 'StatementLine' });

export function allotmentView(row: AllotmentRow, now: number): z.output<typeof allotmentSchema> {
  const state =
    row.revoked_at !== null
      ? 'revoked'
      : row.valid_before.getTime() <= now
        ? 'expired'
        : row.settled >= row.cap
          ? 'exhausted'
          : 'active';
  return {
    id: row.id,
    chainId: row.chain_id,
    payer: row.payer,
    asset: row.asset,
    unitPrice: String(row.unit_price),
    state,
    authorized: String(row.cap),
    spent: String(row.settled),
    leased: String(row.held),
    available: String(row.cap - row.settled - row.held),
    maxPerCall: String(row.max_per_call),
    maxInFlight: row.max_in_flight,
    scope: row.scope,
    audience: row.audience,
    boundTo: row.jkt,
    epoch: row.epoch,
    validAfter: row.valid_after.toISOString(),
    validBefore: row.valid_before.toISOString(),
    revokedAt: row.revoked_at?.toISOString() ?? null,
    createdAt: row.created_at.toISOString(),
  };
}
