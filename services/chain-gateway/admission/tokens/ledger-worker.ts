import type { Logger } from '../../../../lib/log.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { AdvisoryLease } from '../../store/advisory-lease.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { CallLedger } from './call-ledger.ts';
import {
  bookImbalance,
  closeLease,
  fenceLease,
  type LeaseRow,
  postCalls,
  postedOf,
  pruneCalls,
  unfinishedLeases,
} from './ledger-store.ts';
import type { LeaseSight, LogEntry, Purse } from './purse.ts';

export interface LedgerWorkerMetrics {
  posted(fresh: number, uncollected: number): void;
  /** Units by which Redis and Postgres disagree about the leases of the last round. */
  drift(units: number): void;
  imbalance(units: number): void;
  leases(open: number, fenced: number): void;
  inFlight(calls: number): void;
  unposted(entries: number, oldestAgeSeconds: number): void;
  lost(leases: number): void;
}

export interface LedgerWorker {
  /** Posts, sweeps and reconciles until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** One pass over everything that waits to be posted. @returns how many entries there were. */
  post(): Promise<number>;
  /** One look at every lease: sweeps overdue holds, compares, fences, closes. @returns units of drift. */
  reconcile(): Promise<number>;
}

export interface LedgerTiming {
  /** Pause between two looks for calls to post, milliseconds. */
  readonly postMs: number;
  /** Pause between two reconciliations, milliseconds; drift and leaked slots live about twice as long. */
  readonly reconcileMs: number;
  /** A lease that nobody used for this long is given back, milliseconds. */
  readonly idleMs: number;
  /** A grant may be on its way to Redis for this long, milliseconds, before it counts as lost. */
  readonly loadGraceMs: number;
  /** Days that a statement reaches back. */
  readonly statementDays: number;
}

export const LEDGER_TIMING: LedgerTiming = {
  postMs: 50,
  reconcileMs: 2_000,
  idleMs: 10 * 60_000,
  loadGraceMs: 10_000,
  statementDays: 400,
};

/** Whoever holds it posts and reconciles; the others stand by. Work done twice would be harmless. */
const ROLE = 'call-token-ledger';
const POST_BATCH = 2_000;
const LEASE_PAGE = 200;
const CHECK_BOOKS_MS = 60_000;
const PRUNE_LIMIT = 5_000;
const START = { allotmentId: '00000000-0000-0000-0000-000000000000', lease: 0 };

/** Brings what Redis decided into the books, and notices when the two disagree. Any number of replicas. */
export function createLedgerWorker(deps: {
  postgres: GatewayPostgres;
  purse: Purse;
  ledger: CallLedger;
  lease: AdvisoryLease;
  clock: Clock;
  log: Logger;
  metrics: LedgerWorkerMetrics;
  timing?: LedgerTiming;
}): LedgerWorker {
  const { postgres, purse, ledger, lease, clock, log, metrics, timing = LEDGER_TIMING } = deps;
  /** Drift seen by the last round, by lease: what is seen twice the same is no race any more. */
  let suspected = new Map<string, number>();

  async function postUpTo(end?: string, see?: (entry: LogEntry) => void): Promise<number> {
    let total = 0;
    for (;;) {
      const entries = await purse.readLog(POST_BATCH, end);
      if (entries.length === 0) return total;
      const posted = await postgres.transaction((trx) => postCalls(trx, entries));
      // Only now: a crash in between posts them again, which changes nothing.
      await purse.dropLog(entries.map(({ id }) => id));
      if (see !== undefined) for (const entry of entries) see(entry);
      metrics.posted(posted.fresh, posted.uncollected);
      if (posted.uncollected > 0)
        log.warn({ units: posted.uncollected }, 'calls were answered that no budget covers any more');
      if (posted.unknown > 0)
        log.error({ entries: posted.unknown }, 'calls of allotments that this database does not know');
      total += entries.length;
      if (entries.length < POST_BATCH) return total;
    }
  }

  async function close(row: LeaseRow, reason: string): Promise<void> {
    await postgres.transaction((trx) => closeLease(trx, row.allotment_id, row.lease, reason));
    await purse.forget(row.generation, row.allotment_id, row.lease);
  }

  async function fence(row: LeaseRow, reason: string): Promise<void> {
    log.info({ allotment: row.allotment_id, lease: row.lease, reason }, 'a lease is taken back');
    await fenceLease(postgres.db, row.allotment_id, row.lease, reason);
    await purse.fence(row.generation, row.allotment_id, row.lease);
  }

  /** Judges one lease after everything that it had logged was posted. @returns units of drift. */
  async function judge(
    row: LeaseRow,
    sight: LeaseSight | 'COLD',
    posted: { posted: number; amount: number },
    seen: Map<string, number>,
  ): Promise<number> {
    const idleMs = row.idle_seconds * 1_000;
    if (sight === 'COLD') {
      // Granted and never loaded. Fenced first, so that a load that is still on its way comes to nothing.
      if (idleMs < timing.loadGraceMs) return 0;
      if (row.state === 'open') await fence(row, 'never arrived in Redis');
      return 0;
    }
    const key = keyOf(row);
    const inside = sight.granted - sight.remaining - sight.held - sight.settled - sight.unspent;
    // A lease that was fenced on arrival knows nothing of what was granted; it is given back as a whole.
    const known = sight.granted > 0;
    const books = known ? posted.posted - sight.settled : 0;
    const grants = known && idleMs > timing.loadGraceMs ? posted.amount - sight.granted : 0;
    const drift = Math.abs(inside) + Math.abs(books) + Math.abs(grants);
    if (drift > 0) {
      seen.set(key, drift);
      if (row.state === 'open' && suspected.get(key) === drift) {
        log.warn(
          { allotment: row.allotment_id, lease: row.lease, inside, books, grants },
          'Redis and the books disagree',
        );
        await fence(row, `differs from the books by ${drift}`);
      }
    }
    if (row.state === 'open') {
      if (sight.held === 0 && (row.over || idleMs > timing.idleMs))
        await fence(row, row.over ? 'over' : 'idle');
    } else {
      if (sight.fenced < row.lease && sight.currentLease <= row.lease)
        await purse.fence(row.generation, row.allotment_id, row.lease);
      // Nothing is held any more and everything it had logged is posted: what is left goes back.
      else if (sight.held === 0 && sight.inFlight >= 0) await close(row, 'drained');
    }
    return drift;
  }

  async function reconcile(): Promise<number> {
    const generation = await ledger.agree();
    const seen = new Map<string, number>();
    let after = START;
    let drift = 0;
    let open = 0;
    let fenced = 0;
    const inFlight = new Map<string, number>();
    for (;;) {
      const rows = await unfinishedLeases(postgres.db, after, LEASE_PAGE);
      if (rows.length === 0) break;
      const sights = await Promise.all(
        rows.map((row) => purse.look(row.generation, row.allotment_id, row.lease)),
      );
      if (sights.includes('LOST')) {
        await ledger.agree();
        return 0;
      }
      const ends = new Map<string, string>();
      for (const [i, row] of rows.entries()) {
        const sight = sights[i];
        if (typeof sight === 'object') ends.set(keyOf(row), sight.logEnd);
      }
      const last = [...ends.values()].sort(byLogId).at(-1);
      // Posted to the end of the last look; what a lease did after its own look must not count as a difference.
      const later = new Map<string, number>();
      if (last !== undefined && last !== '0-0') {
        await postUpTo(last, (entry) => {
          const key = `${entry.allotmentId}/${entry.lease}`;
          const look = ends.get(key);
          if (look !== undefined && byLogId(entry.id, look) > 0)
            later.set(key, (later.get(key) ?? 0) + entry.amount);
        });
      }
      const posted = await postedOf(postgres.db, rows);
      for (const [i, row] of rows.entries()) {
        const sight = sights[i] as LeaseSight | 'COLD';
        if (row.state === 'open') open += 1;
        else fenced += 1;
        if (typeof sight === 'object') inFlight.set(row.allotment_id, sight.inFlight);
        const key = keyOf(row);
        const now = posted.get(key);
        if (now === undefined || row.generation !== generation) continue;
        drift += await judge(
          row,
          sight,
          { amount: now.amount, posted: now.posted - (later.get(key) ?? 0) },
          seen,
        );
      }
      const end = rows.at(-1) as LeaseRow;
      after = { allotmentId: end.allotment_id, lease: end.lease };
      if (rows.length < LEASE_PAGE) break;
    }
    suspected = seen;
    metrics.leases(open, fenced);
    metrics.inFlight([...inFlight.values()].reduce((sum, n) => sum + n, 0));
    metrics.drift(drift);
    return drift;
  }

  async function watchLog(): Promise<void> {
    const [oldest] = await purse.readLog(1);
    metrics.unposted(
      await purse.logLength(),
      oldest === undefined ? 0 : Math.max(0, (clock.now() - oldest.at) / 1_000),
    );
  }

  async function run(signal: AbortSignal): Promise<void> {
    let reconcileAt = clock.monotonic();
    let checkAt = clock.monotonic();
    let failing = false;
    while (!signal.aborted) {
      try {
        if (await lease.hold(ROLE)) {
          await postUpTo();
          const now = clock.monotonic();
          if (now >= reconcileAt) {
            reconcileAt = now + timing.reconcileMs;
            await watchLog();
            await reconcile();
          }
          if (now >= checkAt) {
            checkAt = now + CHECK_BOOKS_MS;
            metrics.imbalance(await bookImbalance(postgres.db, 60));
            await pruneCalls(postgres.db, timing.statementDays, PRUNE_LIMIT);
          }
        }
        if (failing) log.info('call tokens are posted again');
        failing = false;
      } catch (error) {
        if (!failing) log.warn({ err: error }, 'call tokens cannot be posted; trying again');
        failing = true;
        await clock.sleep(200, signal).catch(() => undefined);
      }
      await clock.sleep(timing.postMs, signal).catch(() => undefined);
    }
    // What was decided until now is posted before we leave, when that is possible.
    await postUpTo().catch((error) => log.debug({ err: error }, 'left without posting the rest'));
  }

  return { run, post: () => postUpTo(), reconcile };
}

const keyOf = (row: LeaseRow): string => `${row.allotment_id}/${row.lease}`;

/** Stream ids are two numbers; compared as text, 10-0 would come before 9-0. */
export function byLogId(a: string, b: string): number {
  const [am = '0', as = '0'] = a.split('-');
  const [bm = '0', bs = '0'] = b.split('-');
  return Number(am) - Number(bm) || Number(as) - Number(bs);
}
