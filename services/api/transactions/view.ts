import { z } from 'zod';
import type { GatewayTransaction } from '../chain/gateway-shapes.ts';
import { transactionState } from '../chain/gateway-shapes.ts';
import { isoTime } from '../chain/schemas.ts';

/** A transaction as the app sees it: what was asked for, how far it is, and why it is not further. */
export const transactionSchema = z
  .object({
    id: z.string(),
    chainId: z.number().int(),
    state: transactionState.describe(
      'queued → prepared → signed → submitted → included → confirmed → finalized; or rejected, failed, cancelled, replaced',
    ),
    signer: z.object({ alias: z.string(), address: z.string().nullable() }),
    to: z.string().nullable(),
    contract: z.string().nullable(),
    function: z.string().nullable(),
    args: z.array(z.unknown()).nullable(),
    value: z.string().describe('wei, as a decimal string'),
    nonce: z.number().int().nullable(),
    hash: z.string().nullable(),
    blockNumber: z.number().int().nullable(),
    blockHash: z.string().nullable(),
    confirmations: z.number().int(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    purpose: z.string().nullable(),
    createdAt: isoTime,
    updatedAt: isoTime,
  })
  .meta({ id: 'Transaction' });
export type TransactionView = z.output<typeof transactionSchema>;

/** Leaves out who asked: that is between the caller and us. */
export const toView = ({ requestedBy: _, ...transaction }: GatewayTransaction): TransactionView =>
  transaction;
