import { sql } from 'kysely';
import { type GatewayExecutor, type GatewayTransaction, jsonRows } from '../../store/gateway-database.ts';
import type { LogEntry, PurseLoad } from './purse.ts';

export type PostingAccount = 'authorised' | 'available' | 'leased' | 'spent';
export type EntryKind = 'authorise' | 'lease' | 'settle' | 'return';

/** One movement of the books: `amount` leaves `from` and arrives at `to`. */
export interface Movement {
  readonly allotmentId: string;
  readonly kind: EntryKind;
  readonly from: PostingAccount;
  readonly to: PostingAccount;
  readonly amount: number;
}

/** Writes balanced entries; those of nothing are left out. */
export async function postMovements(trx: GatewayTransaction, movements: readonly Movement[]): Promise<void> {
  const real = movements.filter(({ amount }) => amount > 0).map((m, n) => ({ ...m, n }));
  if (real.length === 0) return;
  await sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${jsonRows(real)}) AS x("allotmentId" uuid, kind text, "from" text, "to" text, amount bigint, n int)
    ), numbered AS (
      SELECT input.*, nextval(pg_get_serial_sequence('call_token_entries', 'id')) AS id FROM input
    ), entries AS (
      INSERT INTO call_token_entries (id, allotment_id, kind) OVERRIDING SYSTEM VALUE
      SELECT id, "allotmentId", kind FROM numbered RETURNING id
    )
    INSERT INTO call_token_postings (entry_id, account, amount)
    SELECT n.id, side.account, side.amount FROM numbered n JOIN entries USING (id),
      LATERAL (VALUES (n."from", -n.amount), (n."to", n.amount)) AS side(account, amount)`.execute(trx);
}

interface AllotmentLock {
  cap: number;
  settled: number;
  held: number;
  max_per_call: number;
  max_in_flight: number;
  unit_price: number;
  epoch: number;
  valid_after: Date;
  valid_before: Date;
  revoked_at: Date | null;
}

/** What can be leased to Redis, or why not. */
export type Grant =
  | {
      readonly kind: 'granted';
      readonly load: PurseLoad;
      /** What was added; 0 when the lease is as large as it may be. */
      readonly more: number;
      /** What is left of the budget outside the lease. */
      readonly available: number;
    }
  | { readonly kind: 'none'; readonly reason: 'unknown' | 'revoked' | 'exhausted' | 'unposted' };

/**
 * Extends the lease of an allotment so that a call of `units` can be held, at most to one chunk outstanding: that is what
 * the operator loses when Redis dies. Called when the purse is cold or low; grants nothing when there is enough.
 *
 * @param remaining what Redis still has of the current lease; 0 when it has none.
 */
export async function grantChunk(
  trx: GatewayTransaction,
  options: { allotmentId: string; units: number; remaining: number; chunk: number; tokenEpoch: number },
): Promise<Grant> {
  const { allotmentId, remaining } = options;
  const state = await sql<{
    generation: string;
  }>`SELECT generation FROM call_token_state FOR SHARE`.execute(trx);
  const generation = state.rows[0]?.generation ?? '';
  const {
    rows: [a],
  } = await sql<AllotmentLock>`
    SELECT cap, settled, held, max_per_call, max_in_flight, unit_price, epoch, valid_after, valid_before, revoked_at
    FROM call_token_allotments WHERE id = ${allotmentId} FOR UPDATE`.execute(trx);
  if (!a) return { kind: 'none', reason: 'unknown' };
  if (a.revoked_at !== null || a.epoch > options.tokenEpoch) return { kind: 'none', reason: 'revoked' };
  const {
    rows: [open],
  } = await sql<{
    lease: number;
    amount: number;
    generation: string;
  }>`SELECT lease, amount, generation FROM call_token_leases WHERE allotment_id = ${allotmentId} AND state = 'open' FOR UPDATE`.execute(
    trx,
  );
  const available = a.cap - a.settled - a.held;
  const need = options.units * a.unit_price;
  // A call that costs more than a chunk still has to fit; the payer signed for that much per call.
  const most = Math.max(options.chunk, Math.min(need, a.max_per_call));
  const more = remaining < need ? Math.max(0, Math.min(available, most - a.held)) : 0;
  if (!open && more === 0) {
    return { kind: 'none', reason: available > 0 ? 'unposted' : 'exhausted' };
  }
  let lease = open?.lease;
  let granted = open?.amount ?? 0;
  if (lease === undefined) {
    const { rows } = await sql<{ lease: number }>`
      INSERT INTO call_token_leases (allotment_id, lease, generation, amount)
      SELECT ${allotmentId}, coalesce(max(lease), 0) + 1, ${generation}, 0 FROM call_token_leases WHERE allotment_id = ${allotmentId}
      RETURNING lease`.execute(trx);
    lease = rows[0]?.lease as number;
  }
  if (more > 0) {
    granted += more;
    await sql`UPDATE call_token_leases SET amount = amount + ${more}, active_at = now() WHERE allotment_id = ${allotmentId} AND lease = ${lease}`.execute(
      trx,
    );
    await sql`UPDATE call_token_allotments SET held = held + ${more} WHERE id = ${allotmentId}`.execute(trx);
    await postMovements(trx, [{ allotmentId, kind: 'lease', from: 'available', to: 'leased', amount: more }]);
  }
  return {
    kind: 'granted',
    more,
    available: available - more,
    load: {
      generation: open?.generation ?? generation,
      allotmentId,
      epoch: a.epoch,
      lease,
      granted,
      maxInFlight: a.max_in_flight,
      maxPerCall: a.max_per_call,
      validAfter: a.valid_after.getTime(),
      validBefore: a.valid_before.getTime(),
      price: a.unit_price,
    },
  };
}

export interface Posted {
  /** Calls that were not posted before. */
  readonly fresh: number;
  readonly settled: number;
  /** Spent without a budget to charge: Redis lost data after it was returned. The operator's loss, never the payer's. */
  readonly uncollected: number;
  /** Entries of allotments that this database does not know. */
  readonly unknown: number;
}

/**
 * Posts how calls ended. Posting the same entry again changes nothing; a charge goes to the lease it was held from,
 * then to what is available, and what fits neither is not charged.
 */
export async function postCalls(trx: GatewayTransaction, entries: readonly LogEntry[]): Promise<Posted> {
  const ids = [...new Set(entries.map((e) => e.allotmentId))].sort();
  const { rows: allotments } = await sql<{ id: string; cap: number; settled: number; held: number }>`
    SELECT id, cap, settled, held FROM call_token_allotments WHERE id::text = ANY(${ids}) ORDER BY id FOR UPDATE`.execute(
    trx,
  );
  const known = new Map(allotments.map((a) => [a.id, a]));
  const rows = entries.filter((e) => known.has(e.allotmentId));
  const { rows: fresh } = await sql<{
    allotment_id: string;
    lease: number;
    amount: number;
    calls: number;
    settled: number;
  }>`
    WITH fresh AS (
      INSERT INTO call_token_calls (allotment_id, call_id, lease, state, held, amount, units, method, at)
      SELECT "allotmentId", "callId", lease, state, held, amount, units, method, to_timestamp(at / 1000.0)
      FROM jsonb_to_recordset(${jsonRows(rows)}) AS x("allotmentId" uuid, "callId" text, lease int, state text, held bigint, amount bigint, units bigint, method text, at double precision)
      ON CONFLICT DO NOTHING RETURNING allotment_id, lease, amount, state)
    SELECT allotment_id, lease, sum(amount)::bigint AS amount, count(*)::int AS calls, count(*) FILTER (WHERE state = 'settled')::int AS settled
    FROM fresh GROUP BY 1, 2 ORDER BY 1, 2`.execute(trx);
  const { rows: leases } = await sql<{
    allotment_id: string;
    lease: number;
    amount: number;
    collected: number;
    returned: number;
  }>`
    SELECT allotment_id, lease, amount, collected, returned FROM call_token_leases l
    WHERE (allotment_id, lease) IN (SELECT x.allotment_id, x.lease FROM jsonb_to_recordset(${jsonRows(fresh)}) AS x(allotment_id uuid, lease int))
    ORDER BY allotment_id, lease FOR UPDATE`.execute(trx);
  const leaseOf = new Map(leases.map((l) => [`${l.allotment_id}/${l.lease}`, l]));
  const leaseChanges: object[] = [];
  const movements: Movement[] = [];
  const changes = new Map<string, { id: string; settled: number; held: number; uncollected: number }>();
  let uncollected = 0;
  for (const { allotment_id: allotmentId, lease: number, amount } of fresh) {
    const a = known.get(allotmentId);
    if (a === undefined) continue;
    const lease = leaseOf.get(`${allotmentId}/${number}`);
    const room = lease === undefined ? 0 : lease.amount - lease.collected - lease.returned;
    const fromLease = Math.min(amount, room);
    const fromAvailable = Math.min(amount - fromLease, a.cap - a.settled - a.held);
    const lost = amount - fromLease - fromAvailable;
    a.settled += fromLease + fromAvailable;
    a.held -= fromLease;
    uncollected += lost;
    const change = changes.get(allotmentId) ?? { id: allotmentId, settled: 0, held: 0, uncollected: 0 };
    change.settled += fromLease + fromAvailable;
    change.held += fromLease;
    change.uncollected += lost;
    changes.set(allotmentId, change);
    leaseChanges.push({ allotment_id: allotmentId, lease: number, posted: amount, collected: fromLease });
    movements.push(
      { allotmentId, kind: 'settle', from: 'leased', to: 'spent', amount: fromLease },
      { allotmentId, kind: 'settle', from: 'available', to: 'spent', amount: fromAvailable },
    );
  }
  if (leaseChanges.length > 0) {
    await sql`
      UPDATE call_token_leases l SET posted = l.posted + x.posted, collected = l.collected + x.collected, active_at = now()
      FROM jsonb_to_recordset(${jsonRows(leaseChanges)}) AS x(allotment_id uuid, lease int, posted bigint, collected bigint)
      WHERE l.allotment_id = x.allotment_id AND l.lease = x.lease`.execute(trx);
    await sql`
      UPDATE call_token_allotments a SET settled = a.settled + x.settled, held = a.held - x.held, uncollected = a.uncollected + x.uncollected
      FROM jsonb_to_recordset(${jsonRows([...changes.values()])}) AS x(id uuid, settled bigint, held bigint, uncollected bigint)
      WHERE a.id = x.id`.execute(trx);
    await postMovements(trx, movements);
  }
  return {
    fresh: fresh.reduce((sum, row) => sum + row.calls, 0),
    settled: fresh.reduce((sum, row) => sum + row.settled, 0),
    uncollected,
    unknown: entries.length - rows.length,
  };
}

export interface LeaseRow {
  allotment_id: string;
  lease: number;
  generation: string;
  amount: number;
  posted: number;
  state: 'open' | 'fenced';
  /** Seconds since the lease was last extended or charged. */
  idle_seconds: number;
  /** The allotment is revoked, or its time is over. */
  over: boolean;
}

/** Leases that are not closed, in order of their key, after `after`. */
export async function unfinishedLeases(
  db: GatewayExecutor,
  after: { allotmentId: string; lease: number },
  limit: number,
): Promise<LeaseRow[]> {
  const { rows } = await sql<LeaseRow>`
    SELECT l.allotment_id, l.lease, l.generation, l.amount, l.posted, l.state, extract(epoch FROM now() - l.active_at)::float AS idle_seconds,
      (a.revoked_at IS NOT NULL OR a.valid_before < now()) AS over
    FROM call_token_leases l JOIN call_token_allotments a ON a.id = l.allotment_id
    WHERE l.state <> 'closed' AND (l.allotment_id, l.lease) > (${after.allotmentId}::uuid, ${after.lease}::int)
    ORDER BY l.allotment_id, l.lease LIMIT ${limit}`.execute(db);
  return rows;
}

/** What was posted for leases, now. */
export async function postedOf(
  db: GatewayExecutor,
  leases: readonly { allotment_id: string; lease: number }[],
): Promise<Map<string, { posted: number; amount: number }>> {
  const { rows } = await sql<{ allotment_id: string; lease: number; posted: number; amount: number }>`
    SELECT allotment_id, lease, posted, amount FROM call_token_leases
    WHERE (allotment_id, lease) IN (SELECT x.allotment_id, x.lease FROM jsonb_to_recordset(${jsonRows(leases)}) AS x(allotment_id uuid, lease int))`.execute(
    db,
  );
  return new Map(rows.map((r) => [`${r.allotment_id}/${r.lease}`, { posted: r.posted, amount: r.amount }]));
}

/** Stops granting to a lease; a fresh one takes over. */
export async function fenceLease(
  db: GatewayExecutor,
  allotmentId: string,
  lease: number,
  reason: string,
): Promise<void> {
  await sql`UPDATE call_token_leases SET state = 'fenced', reason = ${reason} WHERE allotment_id = ${allotmentId} AND lease = ${lease} AND state = 'open'`.execute(
    db,
  );
}

/** Gives what a lease did not spend back to its allotment. @returns how much; undefined when it was closed before. */
export async function closeLease(
  trx: GatewayTransaction,
  allotmentId: string,
  lease: number,
  reason: string,
): Promise<number | undefined> {
  await sql`SELECT 1 FROM call_token_allotments WHERE id = ${allotmentId} FOR UPDATE`.execute(trx);
  const {
    rows: [closed],
  } = await sql<{ rest: number }>`
    UPDATE call_token_leases SET state = 'closed', closed_at = now(), returned = amount - collected, reason = coalesce(reason, ${reason})
    WHERE allotment_id = ${allotmentId} AND lease = ${lease} AND state <> 'closed' RETURNING returned AS rest`.execute(
    trx,
  );
  if (closed === undefined) return undefined;
  await sql`UPDATE call_token_allotments SET held = held - ${closed.rest} WHERE id = ${allotmentId}`.execute(
    trx,
  );
  await postMovements(trx, [
    { allotmentId, kind: 'return', from: 'leased', to: 'available', amount: closed.rest },
  ]);
  return closed.rest;
}

/**
 * Begins a new generation when `redisGeneration` is not the one on record: Redis lost its data, was exchanged, or is
 * new. Everything leased to the old one is taken back. Runs `publish` while nobody else can do the same.
 *
 * @returns the generation that is in force now, and how many leases were taken back.
 */
export async function settleGeneration(
  trx: GatewayTransaction,
  options: {
    redisGeneration: () => Promise<string | null>;
    fresh: string;
    publish: (generation: string) => Promise<void>;
  },
): Promise<{ generation: string; lost: number; began: boolean }> {
  const {
    rows: [state],
  } = await sql<{ generation: string }>`SELECT generation FROM call_token_state FOR UPDATE`.execute(trx);
  const current = state?.generation ?? '';
  if (current !== '' && (await options.redisGeneration()) === current)
    return { generation: current, lost: 0, began: false };
  await sql`UPDATE call_token_state SET generation = ${options.fresh}`.execute(trx);
  const { rows: stale } = await sql<{ allotment_id: string; lease: number }>`
    SELECT allotment_id, lease FROM call_token_leases WHERE state <> 'closed' ORDER BY allotment_id, lease`.execute(
    trx,
  );
  for (const { allotment_id, lease } of stale) {
    await closeLease(trx, allotment_id, lease, 'Redis lost its data');
  }
  await options.publish(options.fresh);
  return { generation: options.fresh, lost: stale.length, began: true };
}

/** Units by which the columns of allotments and the sums of their postings differ, all together; 0 when the books are right. */
export async function bookImbalance(db: GatewayExecutor, sinceMinutes: number): Promise<number> {
  const {
    rows: [row],
  } = await sql<{ units: number }>`
    SELECT coalesce(sum(abs(a.settled - b.spent) + abs(a.held - b.leased) + abs(a.cap - a.settled - a.held - b.available)), 0)::bigint AS units
    FROM call_token_allotments a JOIN LATERAL (
      SELECT coalesce(sum(p.amount) FILTER (WHERE p.account = 'spent'), 0) AS spent,
        coalesce(sum(p.amount) FILTER (WHERE p.account = 'leased'), 0) AS leased,
        coalesce(sum(p.amount) FILTER (WHERE p.account = 'available'), 0) AS available
      FROM call_token_entries e JOIN call_token_postings p ON p.entry_id = e.id WHERE e.allotment_id = a.id) b ON true
    WHERE EXISTS (SELECT 1 FROM call_token_leases l WHERE l.allotment_id = a.id AND l.active_at > now() - make_interval(mins => ${sinceMinutes}))`.execute(
    db,
  );
  return row?.units ?? 0;
}

/** Removes calls that ended before the statement's retention. @returns how many. */
export async function pruneCalls(db: GatewayExecutor, days: number, limit: number): Promise<number> {
  const result = await sql`
    DELETE FROM call_token_calls WHERE ctid IN (
      SELECT ctid FROM call_token_calls WHERE at < now() - make_interval(days => ${days}) LIMIT ${limit})`.execute(
    db,
  );
  return Number(result.numAffectedRows ?? 0);
}
