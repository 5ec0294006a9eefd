import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';

/** The state of the chain that an answer describes. */
export const asOfSchema = z
  .object({
    blockNumber: z.number().int().min(0).describe('Height of the block that the answer describes'),
    blockHash: z.string().describe('Hash of that block: tells two branches of the same height apart'),
    blockTime: z.string().describe('Time of the block, ISO 8601 in UTC'),
    finality: z
      .enum(['latest', 'safe', 'finalized'])
      .describe('How settled the block is; `latest` may still be reorganised away'),
  })
  .meta({ id: 'AsOf' });

export type AsOf = z.output<typeof asOfSchema>;

/** How settled one event is: in a block, under N blocks, beyond reorganisation, or taken back. */
export const stageSchema = z.enum(['pending', 'confirmed', 'finalized', 'reverted']).meta({
  id: 'Stage',
  description: 'pending: in a block; confirmed: N blocks deep; finalized; reverted: undone by a reorg',
});
export type Stage = z.output<typeof stageSchema>;

export const pageSchema = z
  .object({
    next: z.string().nullable().describe('Cursor of the next page; null on the last one'),
    hasMore: z.boolean(),
  })
  .meta({ id: 'Page' });

/** `{ data, page }`, the shape of every list. */
export const listOf = <S extends z.ZodType>(item: S) => z.object({ data: z.array(item), page: pageSchema });
/** A list that was read from the chain. */
export const chainListOf = <S extends z.ZodType>(item: S) =>
  z.object({ asOf: asOfSchema, data: z.array(item), page: pageSchema });

export const limitParam = z.coerce
  .number()
  .int()
  .min(1)
  .max(100)
  .default(25)
  .describe('Items per page, 1 to 100');
export const cursorParam = z
  .string()
  .min(1)
  .max(1024)
  .optional()
  .describe('`page.next` of the previous answer');

export const isoTime = z.string().describe('ISO 8601, UTC').meta({ format: 'date-time' });

/** A time in a query: ISO 8601 with an offset, or a date. */
export const timeParam = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], 'expected a time such as 2026-01-31T12:00:00Z')
  .transform((text) => new Date(text).toISOString());

export const addressParams = z.object({ address: addressSchema });

/** A token as every answer names it. */
export const tokenSchema = z
  .object({
    symbol: z.string(),
    name: z.string(),
    address: z.string().describe('Contract address, EIP-55'),
    decimals: z.number().int(),
    chainId: z.number().int(),
  })
  .meta({ id: 'Token' });
export type Token = z.output<typeof tokenSchema>;
