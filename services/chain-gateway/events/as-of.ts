import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import type { GatewayExecutor } from '../store/gateway-database.ts';
import { type IndexCursor, readCursor } from '../store/index-store.ts';

/** Which state of the chain an answer describes. */
export const asOfSchema = z
  .object({
    blockNumber: z.string(),
    blockHash: z.string(),
    blockTime: z.iso.datetime(),
    finality: z.enum(['latest', 'safe', 'finalized']),
  })
  .meta({ id: 'AsOf' });
export type AsOf = z.output<typeof asOfSchema>;

/** @throws AppError chain_unavailable while the indexer has not begun. */
export async function requireCursor(db: GatewayExecutor, chainId: number): Promise<IndexCursor> {
  const cursor = await readCursor(db, chainId);
  if (!cursor)
    throw new AppError('chain_unavailable', `Chain ${chainId} has not been indexed yet.`, {
      retryAfterSeconds: 2,
    });
  return cursor;
}

export function asOf(cursor: IndexCursor): AsOf {
  const finality =
    cursor.number <= cursor.finalized ? 'finalized' : cursor.number <= cursor.safe ? 'safe' : 'latest';
  return {
    blockNumber: String(cursor.number),
    blockHash: cursor.hash,
    blockTime: new Date(cursor.timeMs).toISOString(),
    finality,
  };
}

/** How settled a canonical block is. */
export const stageOf = (blockNumber: number, cursor: IndexCursor): 'pending' | 'confirmed' | 'finalized' =>
  blockNumber <= cursor.finalized ? 'finalized' : blockNumber <= cursor.confirmed ? 'confirmed' : 'pending';
