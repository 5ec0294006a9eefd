import { z } from 'zod';

/** Where in its life an event of the chain is; `reverted` takes back what an earlier stage said. */
export const STAGES = ['pending', 'confirmed', 'finalized', 'reverted'] as const;
export type Stage = (typeof STAGES)[number];

const seq = z.union([z.string().regex(/^\d{1,16}$/), z.number().int()]).transform(Number);

/** One line of the gateway's event log. `key` is the same for all stages of one log entry of the chain. */
export const chainEventSchema = z.object({
  seq,
  chainId: z.number().int(),
  type: z.string(),
  stage: z.enum(STAGES),
  key: z.string().min(1),
  blockNumber: z.union([z.number().int(), z.string().regex(/^\d+$/)]).transform(Number),
  blockHash: z.string(),
  blockTime: z.string().transform((text) => new Date(text)),
  logIndex: z.number().int(),
  transactionHash: z.string(),
  contract: z.object({ name: z.string().nullable().optional(), address: z.string() }),
  data: z.record(z.string(), z.unknown()),
});
export type ChainEvent = z.output<typeof chainEventSchema>;

export const eventPageSchema = z.object({ events: z.array(chainEventSchema), next: seq });
export type EventPage = z.output<typeof eventPageSchema>;

export const asOfSchema = z.object({
  blockNumber: z.union([z.number().int(), z.string().regex(/^\d+$/)]).transform(Number),
  blockHash: z.string(),
  blockTime: z.string().optional(),
  finality: z.string().optional(),
});

const tokenSchema = z.looseObject({
  address: z.string(),
  name: z.string().nullable().optional(),
  symbol: z.string().nullable().optional(),
  decimals: z.number().int().nullable().optional(),
});

/** One transfer as the chain's index has it; the fields the user service needs. */
export const transferSchema = z.looseObject({
  key: z.string().optional(),
  chainId: z.number().int().optional(),
  blockNumber: z.union([z.number().int(), z.string().regex(/^\d+$/)]).transform(Number),
  blockHash: z.string(),
  blockTime: z.string().transform((text) => new Date(text)),
  logIndex: z.number().int(),
  transactionHash: z.string(),
  token: z.union([tokenSchema, z.string().transform((address) => ({ address }))]),
  from: z.string(),
  to: z.string(),
  amount: z.union([z.string(), z.looseObject({ raw: z.string() }).transform((a) => a.raw)]).optional(),
  raw: z.string().optional(),
  stage: z.enum(STAGES).optional(),
});

export const transferPageSchema = z.object({
  asOf: asOfSchema,
  data: z.array(transferSchema),
  page: z.object({ next: z.string().nullable().optional(), hasMore: z.boolean() }),
});

export const balancesSchema = z.object({
  asOf: asOfSchema,
  balances: z.array(z.object({ token: tokenSchema, raw: z.string() })),
});
