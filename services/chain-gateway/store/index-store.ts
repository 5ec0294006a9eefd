import { sql } from 'kysely';
import type { BlockWithEvents, IndexedBlock } from '../indexer/index-types.ts';
import { appendPending, appendStage, revertAbove } from './event-log.ts';
import {
  type GatewayExecutor,
  type GatewayPostgres,
  type GatewayTransaction,
  jsonRows,
} from './gateway-database.ts';
import { insertIndexRows, removeIndexRows } from './index-rows.ts';

export interface IndexCursor {
  readonly chainId: number;
  readonly startBlock: number;
  readonly number: number;
  readonly hash: string;
  /** Epoch ms. */
  readonly timeMs: number;
  readonly safe: number;
  readonly confirmed: number;
  readonly finalized: number;
  readonly haltedReason: string | null;
}

/** How far the chain itself says it has settled. */
export interface Finality {
  readonly safe: number;
  readonly finalized: number;
}

export interface Applied {
  /** Last number of the event log. */
  readonly seq: number;
  readonly events: number;
}

/** The index of one chain, written block by block; each method is one transaction. */
export interface IndexStore {
  cursor(): Promise<IndexCursor | undefined>;
  /** Starts an empty index below its first block. */
  start(below: IndexedBlock): Promise<void>;
  /** The block after the cursor: its rows, its events, what it confirms and finalizes, and the cursor. */
  applyBlock(block: BlockWithEvents, finality: Finality): Promise<Applied>;
  /** Final blocks in order; those without events may be left out. `last` becomes the cursor. */
  applyFinalRange(
    blocks: readonly BlockWithEvents[],
    last: IndexedBlock,
    finality: Finality,
  ): Promise<Applied>;
  /** Finality moved without a new block. */
  settle(finality: Finality): Promise<Applied>;
  /** Takes back every block above `ancestor`. */
  rollback(ancestor: number): Promise<Applied>;
  /** An operator's decision: goes back to `ancestor` even below what was final, and clears a halt. */
  rewind(ancestor: IndexedBlock): Promise<Applied>;
  hashAt(number: number): Promise<string | undefined>;
  halt(reason: string | null): Promise<void>;
  /** Which of these are transactions of our own. */
  ownHashes(hashes: readonly string[]): Promise<string[]>;
  /** Our own transactions that are in these blocks. */
  ownInRange(from: number, to: number): Promise<{ blockNumber: number; hash: string }[]>;
}

/** Another process moved the cursor meanwhile: this one must read it again. */
export class CursorMovedError extends Error {
  override readonly name = 'CursorMovedError';
}

export async function readCursor(
  db: GatewayExecutor,
  chainId: number,
  lock = false,
): Promise<IndexCursor | undefined> {
  const { rows } = await sql<{
    start_block: number;
    block_number: number;
    block_hash: string;
    block_time: Date;
    safe_number: number;
    confirmed_number: number;
    finalized_number: number;
    halted_reason: string | null;
  }>`SELECT * FROM index_cursors WHERE chain_id = ${chainId} ${lock ? sql`FOR UPDATE` : sql``}`.execute(db);
  const [row] = rows;
  if (!row) return undefined;
  return {
    chainId,
    startBlock: row.start_block,
    number: row.block_number,
    hash: row.block_hash,
    timeMs: row.block_time.getTime(),
    safe: row.safe_number,
    confirmed: row.confirmed_number,
    finalized: row.finalized_number,
    haltedReason: row.halted_reason,
  };
}

/** Canonical blocks kept below the final one, so that answers about recent blocks have their times. */
const KEEP_BELOW_FINAL = 256;

export function createIndexStore(
  postgres: GatewayPostgres,
  chainId: number,
  confirmations: number,
): IndexStore {
  const { db } = postgres;

  async function insertBlocks(trx: GatewayTransaction, blocks: readonly IndexedBlock[]): Promise<void> {
    await sql`
      INSERT INTO blocks (chain_id, number, hash, parent_hash, time)
      SELECT ${chainId}, number, hash, "parentHash", to_timestamp(time) FROM jsonb_to_recordset(${jsonRows(blocks)}) AS b(number bigint, hash text, "parentHash" text, time bigint)
      ON CONFLICT (chain_id, number) DO NOTHING`.execute(trx);
  }

  /** Writes the stages that are due and moves the cursor. */
  async function advance(
    trx: GatewayTransaction,
    cursor: IndexCursor,
    head: IndexedBlock,
    finality: Finality,
  ): Promise<number> {
    const confirmed = Math.max(cursor.confirmed, head.number - confirmations + 1);
    // Final is also confirmed, and never undone: a provider that takes it back is not believed.
    const finalized = Math.max(cursor.finalized, Math.min(finality.finalized, confirmed));
    await appendStage(trx, chainId, 'confirmed', cursor.confirmed, confirmed);
    const seq = await appendStage(trx, chainId, 'finalized', cursor.finalized, finalized);
    await sql`
      UPDATE index_cursors SET block_number = ${head.number}, block_hash = ${head.hash}, block_time = to_timestamp(${head.time}),
        safe_number = ${Math.max(Math.min(finality.safe, head.number), finalized)}, confirmed_number = ${confirmed}, finalized_number = ${finalized}, updated_at = now()
      WHERE chain_id = ${chainId}`.execute(trx);
    return seq;
  }

  async function locked(trx: GatewayTransaction): Promise<IndexCursor> {
    const cursor = await readCursor(trx, chainId, true);
    if (!cursor) throw new Error(`the index of chain ${chainId} was not started`);
    return cursor;
  }

  return {
    cursor: () => readCursor(db, chainId),

    start: (below) =>
      postgres.transaction(async (trx) => {
        await sql`
          INSERT INTO index_cursors (chain_id, start_block, block_number, block_hash, block_time, safe_number, confirmed_number, finalized_number)
          VALUES (${chainId}, ${below.number + 1}, ${below.number}, ${below.hash}, to_timestamp(${below.time}), ${below.number}, ${below.number}, ${below.number})
          ON CONFLICT DO NOTHING`.execute(trx);
        await insertBlocks(trx, [below]);
      }),

    applyBlock: ({ block, events }, finality) =>
      postgres.transaction(async (trx) => {
        const cursor = await locked(trx);
        if (cursor.number !== block.number - 1 || cursor.hash !== block.parentHash) {
          throw new CursorMovedError(
            `block ${block.number} does not follow the cursor (${cursor.number} ${cursor.hash})`,
          );
        }
        await insertBlocks(trx, [block]);
        await insertIndexRows(trx, chainId, block, events);
        await appendPending(trx, chainId, block, events);
        const seq = await advance(trx, cursor, block, finality);
        await sql`DELETE FROM blocks WHERE chain_id = ${chainId} AND number < ${cursor.finalized - KEEP_BELOW_FINAL}`.execute(
          trx,
        );
        return { seq, events: events.length };
      }),

    applyFinalRange: (blocks, last, finality) =>
      postgres.transaction(async (trx) => {
        const cursor = await locked(trx);
        const first = blocks[0]?.block.number ?? last.number;
        if (first <= cursor.number || last.number <= cursor.number)
          throw new CursorMovedError(`the cursor is at ${cursor.number} already`);
        let count = 0;
        await insertBlocks(trx, [...blocks.map(({ block }) => block), last]);
        for (const { block, events } of blocks) {
          await insertIndexRows(trx, chainId, block, events);
          await appendPending(trx, chainId, block, events);
          count += events.length;
        }
        const seq = await advance(trx, cursor, last, finality);
        return { seq, events: count };
      }),

    settle: (finality) =>
      postgres.transaction(async (trx) => {
        const cursor = await locked(trx);
        const time = Math.floor(cursor.timeMs / 1000);
        return {
          seq: await advance(
            trx,
            cursor,
            { number: cursor.number, hash: cursor.hash, parentHash: '', time },
            finality,
          ),
          events: 0,
        };
      }),

    rollback: (ancestor) =>
      postgres.transaction(async (trx) => {
        const cursor = await locked(trx);
        if (ancestor < cursor.finalized)
          throw new Error(
            `block ${ancestor} is below the final block ${cursor.finalized}; nothing final is ever taken back`,
          );
        const { rows } = await sql<{
          hash: string;
          time: Date;
        }>`SELECT hash, time FROM blocks WHERE chain_id = ${chainId} AND number = ${ancestor}`.execute(trx);
        const [block] = rows;
        if (!block) throw new Error(`block ${ancestor} is outside the window of known blocks`);
        if (ancestor >= cursor.number)
          throw new CursorMovedError(`the cursor is at ${cursor.number} already`);
        const seq = await appendStage(trx, chainId, 'reverted', ancestor, cursor.number);
        await removeIndexRows(trx, chainId, ancestor);
        await sql`DELETE FROM blocks WHERE chain_id = ${chainId} AND number > ${ancestor}`.execute(trx);
        // What is indexed again now includes contracts that were added meanwhile: their backfill ends here.
        await sql`
          UPDATE indexed_contracts SET backfill_below = ${ancestor + 1} WHERE chain_id = ${chainId} AND backfill_below > ${ancestor + 1}`.execute(
          trx,
        );
        await sql`
          UPDATE index_cursors SET block_number = ${ancestor}, block_hash = ${block.hash}, block_time = ${block.time},
            safe_number = least(safe_number, ${ancestor}), confirmed_number = least(confirmed_number, ${ancestor}), updated_at = now()
          WHERE chain_id = ${chainId}`.execute(trx);
        return { seq, events: 0 };
      }),

    rewind: (ancestor) =>
      postgres.transaction(async (trx) => {
        await locked(trx);
        const seq = await revertAbove(trx, chainId, ancestor.number);
        await removeIndexRows(trx, chainId, ancestor.number);
        await sql`DELETE FROM blocks WHERE chain_id = ${chainId} AND number >= ${ancestor.number}`.execute(
          trx,
        );
        await insertBlocks(trx, [ancestor]);
        await sql`
          UPDATE index_cursors SET block_number = ${ancestor.number}, block_hash = ${ancestor.hash}, block_time = to_timestamp(${ancestor.time}), halted_reason = NULL,
            safe_number = least(safe_number, ${ancestor.number}), confirmed_number = least(confirmed_number, ${ancestor.number}),
            finalized_number = least(finalized_number, ${ancestor.number}), updated_at = now() WHERE chain_id = ${chainId}`.execute(
          trx,
        );
        return { seq, events: 0 };
      }),

    async hashAt(number) {
      const { rows } = await sql<{
        hash: string;
      }>`SELECT hash FROM blocks WHERE chain_id = ${chainId} AND number = ${number}`.execute(db);
      return rows[0]?.hash;
    },

    async halt(reason) {
      await sql`UPDATE index_cursors SET halted_reason = ${reason}, updated_at = now() WHERE chain_id = ${chainId}`.execute(
        db,
      );
    },

    async ownHashes(hashes) {
      if (hashes.length === 0) return [];
      const { rows } = await sql<{
        hash: string;
      }>`SELECT hash FROM attempts WHERE chain_id = ${chainId} AND hash = ANY(${hashes})`.execute(db);
      const own = new Set(rows.map((row) => row.hash));
      return hashes.filter((hash) => own.has(hash));
    },

    async ownInRange(from, to) {
      const { rows } = await sql<{ block_number: number; included_hash: string }>`
        SELECT block_number, included_hash FROM nonce_slots WHERE chain_id = ${chainId} AND state IN ('included','settled') AND block_number BETWEEN ${from} AND ${to}
        ORDER BY block_number`.execute(db);
      return rows.map((row) => ({ blockNumber: row.block_number, hash: row.included_hash }));
    },
  };
}
