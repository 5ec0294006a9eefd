import { z } from 'zod';
import { addressSchema, hexSchema } from '../../../lib/address.ts';
import { TRANSACTION_STATES } from './states.ts';

const uint256 = z
  .union([
    z.string().regex(/^\d{1,78}$/, 'expected a whole number of wei as a decimal string'),
    z.int().min(0),
  ])
  .transform((value) => BigInt(value))
  .refine((value) => value < 2n ** 256n, 'larger than a uint256');

/** 128 KiB: more than nodes relay in one transaction (geth's txMaxSize). */
const MAX_DATA_BYTES = 128 * 1024;

const common = {
  chainId: z.int().positive(),
  signer: z
    .string()
    .min(1)
    .max(41)
    .meta({ description: 'Alias of the signer pool that pays and signs', examples: ['treasury'] }),
  value: uint256.optional().meta({ description: 'Wei sent along; default 0' }),
  urgency: z.enum(['slow', 'standard', 'fast']).default('standard'),
  maxFeePerGas: uint256
    .optional()
    .meta({ description: 'Highest fee per gas to offer, wei; below the base fee the transaction waits' }),
  /** Seconds from now; not sent any more after that. */
  expiresInSeconds: z.int().min(10).max(604_800).optional(),
  purpose: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'What the cost is booked under, such as `reward`' }),
  requestedBy: z
    .string()
    .min(1)
    .max(200)
    .meta({ description: 'Opaque id of who asked; never a name or an address of a person' }),
  webhookUrl: z
    .url()
    .max(2_000)
    .optional()
    .meta({ description: 'Told of every state, signed (Standard Webhooks)' }),
};

/** Call of a known contract by name, or raw bytes to an address, or (without data) a transfer of the chain's coin. */
export const createTransactionSchema = z.union([
  z.strictObject({
    ...common,
    contract: z.string().min(1).max(100),
    function: z.string().min(1).max(500),
    args: z.array(z.unknown()).max(100).default([]),
  }),
  z.strictObject({ ...common, to: addressSchema, data: hexSchema(MAX_DATA_BYTES).default('0x') }),
]);
export type CreateTransaction = z.output<typeof createTransactionSchema>;

const decimal = z.string().regex(/^\d+$/);

export const transactionSchema = z
  .object({
    id: z.uuid(),
    chainId: z.int(),
    state: z.enum(TRANSACTION_STATES),
    signer: z.object({ alias: z.string(), address: z.string().nullable() }),
    to: z.string(),
    contract: z.string().nullable(),
    function: z.string().nullable(),
    args: z.array(z.unknown()).nullable(),
    value: decimal,
    nonce: z.int().nullable(),
    hash: z.string().nullable(),
    blockNumber: decimal.nullable(),
    blockHash: z.string().nullable(),
    confirmations: z.int(),
    outcome: z.enum(['success', 'reverted', 'cancelled']).nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    waitingReason: z.string().nullable(),
    urgency: z.enum(['slow', 'standard', 'fast']),
    costEstimate: decimal.nullable(),
    gasUsed: decimal.nullable(),
    gasPrice: decimal.nullable(),
    purpose: z.string().nullable(),
    requestedBy: z.string(),
    idempotencyKey: z.string(),
    version: z.int(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Transaction' });
export type TransactionView = z.output<typeof transactionSchema>;
