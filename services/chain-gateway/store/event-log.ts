import { sql } from 'kysely';
import { eventData } from '../indexer/event-data.ts';
import { eventKey, type IndexedBlock, type IndexedEvent, type Stage } from '../indexer/index-types.ts';
import { type GatewayExecutor, type GatewayTransaction, jsonRows } from './gateway-database.ts';

const COLUMNS = sql.raw(
  'chain_id, type, stage, key, block_number, block_hash, block_time, log_index, item, transaction_hash, contract_name, contract_address, data',
);
/** How many events one partition holds; about a gigabyte. */
const PARTITION_SIZE = 10_000_000;

/**
 * Takes the numbers after the last one. The row lock is held until the caller's transaction ends, so numbers become
 * visible in order and without a gap: a reader that has seen n can never miss one below it.
 */
async function lockHead(trx: GatewayTransaction): Promise<number> {
  const { rows } = await sql<{ last_seq: number }>`SELECT last_seq FROM event_log_head FOR UPDATE`.execute(
    trx,
  );
  return rows[0]?.last_seq ?? 0;
}

async function advanceHead(trx: GatewayTransaction, last: number, count: number): Promise<number> {
  if (count === 0) return last;
  await sql`UPDATE event_log_head SET last_seq = ${last + count}`.execute(trx);
  const before = Math.floor(last / PARTITION_SIZE);
  const after = Math.floor((last + count + PARTITION_SIZE / 2) / PARTITION_SIZE);
  // The next partition is made when half of this one is used: an insert must never find none.
  for (let part = before + 1; part <= after; part++) {
    await sql
      .raw(
        `CREATE TABLE IF NOT EXISTS chain_events_p${part} PARTITION OF chain_events FOR VALUES FROM (${part * PARTITION_SIZE}) TO (${(part + 1) * PARTITION_SIZE})`,
      )
      .execute(trx);
  }
  return last + count;
}

/** Appends the events of a block at stage `pending`. @returns the last number given out. */
export function appendPending(
  trx: GatewayTransaction,
  chainId: number,
  block: IndexedBlock,
  events: readonly IndexedEvent[],
): Promise<number> {
  return append(trx, chainId, block, events, 'pending');
}

/** Appends the events of an old, final block: all stages at once, in order. */
export async function appendFinal(
  trx: GatewayTransaction,
  chainId: number,
  block: IndexedBlock,
  events: readonly IndexedEvent[],
): Promise<void> {
  for (const stage of ['pending', 'confirmed', 'finalized'] as const)
    await append(trx, chainId, block, events, stage);
}

async function append(
  trx: GatewayTransaction,
  chainId: number,
  block: IndexedBlock,
  events: readonly IndexedEvent[],
  stage: Stage,
): Promise<number> {
  const last = await lockHead(trx);
  if (events.length === 0) return last;
  const time = new Date(block.time * 1000).toISOString();
  const rows = events.map((event, i) => ({
    seq: last + 1 + i,
    chain_id: chainId,
    type: event.body.type,
    stage,
    key: eventKey(chainId, event),
    block_number: event.blockNumber,
    block_hash: event.blockHash,
    block_time: time,
    log_index: event.logIndex,
    item: event.item,
    transaction_hash: event.transactionHash,
    contract_name: event.contractName,
    contract_address: event.contract,
    data: eventData(event.body),
  }));
  await sql`
    INSERT INTO chain_events (seq, ${COLUMNS}) SELECT seq, ${COLUMNS} FROM jsonb_to_recordset(${jsonRows(rows)})
      AS r(seq bigint, chain_id bigint, type text, stage text, key text, block_number bigint, block_hash text, block_time timestamptz, log_index int, item int,
           transaction_hash text, contract_name text, contract_address text, data jsonb)`.execute(trx);
  return advanceHead(trx, last, rows.length);
}

/**
 * Repeats, at a later stage, what canonical blocks in (above, upTo] said at `pending`.
 * `reverted` compensates: newest first, called before the blocks are removed.
 */
export async function appendStage(
  trx: GatewayTransaction,
  chainId: number,
  stage: Exclude<Stage, 'pending'>,
  above: number,
  upTo: number,
): Promise<number> {
  const last = await lockHead(trx);
  if (upTo <= above) return last;
  const order = sql.raw(
    stage === 'reverted' ? 'block_number DESC, log_index DESC, item DESC' : 'block_number, log_index, item',
  );
  const { numAffectedRows } = await sql`
    INSERT INTO chain_events (seq, ${COLUMNS})
    SELECT ${last}::bigint + row_number() OVER (ORDER BY ${order}), chain_id, type, ${stage}, key, block_number, block_hash, block_time, log_index, item,
      transaction_hash, contract_name, contract_address, data
    FROM (SELECT DISTINCT ON (e.key) e.* FROM chain_events e
          JOIN blocks b ON b.chain_id = e.chain_id AND b.number = e.block_number AND b.hash = e.block_hash
          WHERE e.chain_id = ${chainId} AND e.stage = 'pending' AND e.block_number > ${above} AND e.block_number <= ${upTo}
          ORDER BY e.key, e.seq DESC) AS picked`.execute(trx);
  return advanceHead(trx, last, Number(numAffectedRows ?? 0n));
}

/**
 * Takes back every event above `ancestor` that was not taken back yet, newest first, whether or not its block is still
 * in the window. Only for an operator who moves the index below what was final.
 */
export async function revertAbove(
  trx: GatewayTransaction,
  chainId: number,
  ancestor: number,
): Promise<number> {
  const last = await lockHead(trx);
  const { numAffectedRows } = await sql`
    INSERT INTO chain_events (seq, ${COLUMNS})
    SELECT ${last}::bigint + row_number() OVER (ORDER BY block_number DESC, log_index DESC, item DESC), chain_id, type, 'reverted', key, block_number, block_hash,
      block_time, log_index, item, transaction_hash, contract_name, contract_address, data
    FROM (SELECT DISTINCT ON (key) * FROM chain_events WHERE chain_id = ${chainId} AND block_number > ${ancestor} ORDER BY key, seq DESC) AS newest
    WHERE stage <> 'reverted'`.execute(trx);
  return advanceHead(trx, last, Number(numAffectedRows ?? 0n));
}

/**
 * Drops whole partitions in which every event is older than `keepDays`. Readers behind the oldest number kept are told
 * so, and rebuild from the lists. @returns the partitions dropped.
 */
export async function dropOldEvents(trx: GatewayTransaction, keepDays: number): Promise<string[]> {
  await lockHead(trx);
  const { rows: parts } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'chain_events'::regclass ORDER BY c.oid`.execute(
    trx,
  );
  const dropped: string[] = [];
  // The newest partitions stay: the one being written and the one made ahead.
  for (const { name } of parts) {
    const { rows } = await sql<{ newest: Date | null; last: number | null; full: boolean }>`
      SELECT max(block_time) AS newest, max(seq) AS last, count(*) > 0 AND max(seq) % ${PARTITION_SIZE} = ${PARTITION_SIZE - 1} AS full FROM ${sql.table(name)}`.execute(
      trx,
    );
    const [part] = rows;
    if (
      !part?.full ||
      !part.newest ||
      part.last === null ||
      part.newest.getTime() > Date.now() - keepDays * 86_400_000
    )
      break;
    await sql`DROP TABLE ${sql.table(name)}`.execute(trx);
    await sql`UPDATE event_log_head SET oldest_seq = ${part.last + 1}`.execute(trx);
    dropped.push(name);
  }
  return dropped;
}

/** An event as it leaves the gateway. `seq` is a decimal string. */
export interface ChainEvent {
  readonly seq: string;
  readonly chainId: number;
  readonly type: string;
  readonly stage: Stage;
  readonly key: string;
  readonly blockNumber: string;
  readonly blockHash: string;
  readonly blockTime: string;
  readonly logIndex: number;
  readonly transactionHash: string;
  readonly contract: { name: string; address: string };
  readonly data: Record<string, string>;
}

interface EventRow {
  seq: number;
  chain_id: number;
  type: string;
  stage: Stage;
  key: string;
  block_number: number;
  block_hash: string;
  block_time: Date;
  log_index: number;
  transaction_hash: string;
  contract_name: string;
  contract_address: string;
  data: Record<string, string>;
}

export async function readEvents(
  db: GatewayExecutor,
  after: number,
  limit: number,
  filter: { chainId?: number | undefined; types?: readonly string[] | undefined } = {},
): Promise<ChainEvent[]> {
  const byChain = filter.chainId === undefined ? sql`` : sql`AND chain_id = ${filter.chainId}`;
  const byType = filter.types === undefined ? sql`` : sql`AND type = ANY(${filter.types})`;
  const { rows } =
    await sql<EventRow>`SELECT seq, ${COLUMNS} FROM chain_events WHERE seq > ${after} ${byChain} ${byType} ORDER BY seq LIMIT ${limit}`.execute(
      db,
    );
  return rows.map((row) => ({
    seq: String(row.seq),
    chainId: row.chain_id,
    type: row.type,
    stage: row.stage,
    key: row.key,
    blockNumber: String(row.block_number),
    blockHash: row.block_hash,
    blockTime: row.block_time.toISOString(),
    logIndex: row.log_index,
    transactionHash: row.transaction_hash,
    contract: { name: row.contract_name, address: row.contract_address },
    data: row.data,
  }));
}

/** The newest number, and the oldest that retention has kept. */
export async function eventLogBounds(db: GatewayExecutor): Promise<{ last: number; oldest: number }> {
  const { rows } = await sql<{
    last_seq: number;
    oldest_seq: number;
  }>`SELECT last_seq, oldest_seq FROM event_log_head`.execute(db);
  return { last: rows[0]?.last_seq ?? 0, oldest: rows[0]?.oldest_seq ?? 1 };
}
