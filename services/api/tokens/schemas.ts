import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { amountSchema } from '../../../lib/amount.ts';
import {
  asOfSchema,
  cursorParam,
  isoTime,
  limitParam,
  stageSchema,
  timeParam,
  tokenSchema,
} from '../chain/schemas.ts';

export const quoteSchema = z
  .object({
    currency: z.string().describe('ISO 4217 code'),
    price: z.string().describe('Of one whole token'),
    value: z.string().describe('Of the whole balance, rounded to 2 decimals'),
    quotedAt: isoTime,
    source: z.string(),
  })
  .meta({ id: 'Quote' });

export const balanceSchema = z
  .object({
    token: tokenSchema,
    amount: amountSchema,
    quote: quoteSchema
      .nullable()
      .describe('Null when no quote was asked for, or none is known for this token'),
  })
  .meta({ id: 'Balance' });

export const balancesSchema = z
  .object({ address: z.string(), asOf: asOfSchema, data: z.array(balanceSchema) })
  .meta({ id: 'Balances' });

export const balancesQuery = z.strictObject({
  token: addressSchema.optional().describe('Only this token'),
  quote: z
    .string()
    .regex(/^[A-Z]{3}$/, 'expected an ISO 4217 code such as USD')
    .optional()
    .describe('Currency to value balances in'),
});

export const transferSchema = z
  .object({
    id: z.string().describe('Stable id of the transfer: chain, block hash and log index'),
    token: tokenSchema,
    direction: z.enum(['in', 'out', 'self']).describe('As seen from the wallet'),
    from: z.string(),
    to: z.string(),
    amount: amountSchema,
    stage: stageSchema,
    blockNumber: z.number().int(),
    blockHash: z.string(),
    blockTime: isoTime,
    transactionHash: z.string(),
    logIndex: z.number().int(),
  })
  .meta({ id: 'Transfer' });

export const transfersQuery = z.strictObject({
  token: addressSchema.optional().describe('Only this token'),
  direction: z.enum(['in', 'out']).optional().describe('Received or sent; both when left out'),
  counterparty: addressSchema.optional().describe('Only transfers from or to this address'),
  fromTime: timeParam.optional().describe('At or after this time'),
  toTime: timeParam.optional().describe('Before this time'),
  fromBlock: z.coerce.number().int().min(0).optional().describe('At or above this height'),
  toBlock: z.coerce.number().int().min(0).optional().describe('At or below this height'),
  stage: z
    .enum(['pending', 'confirmed', 'finalized'])
    .optional()
    .describe('Only transfers that are exactly this settled'),
  cursor: cursorParam,
  limit: limitParam,
});
