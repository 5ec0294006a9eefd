import { sql } from 'kysely';
import type { Metrics } from '../../../lib/metrics.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { LaneObserver } from './lane-engine.ts';
import { TRANSACTION_STATES } from './states.ts';

/** Block times from one second to Ethereum's worst quarter of an hour, seconds. */
const INCLUSION_BUCKETS = [0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 900];

export interface TransactionMetrics {
  /** The observer of one lane's engine. */
  lane(pool: string, signer: string): LaneObserver;
  settled(result: { confirmed: number; finalized: number; reorged: number }): void;
  reconciled(findings: readonly { kind: string; repaired: boolean }[]): void;
}

/** Counts what the lanes do, and on each scrape what the database holds. */
export function createTransactionMetrics(metrics: Metrics, postgres: GatewayPostgres): TransactionMetrics {
  const byState = metrics.gauge({
    name: 'gateway_transactions',
    help: 'Transactions of the last 24 hours by state.',
    labels: ['state'],
    collect: async (gauge) => {
      const { rows } = await sql<{ state: string; count: number }>`
        SELECT state, count(*)::int AS count FROM transactions WHERE created_at > now() - interval '24 hours' GROUP BY state`
        .execute(postgres.db)
        .catch(() => ({ rows: [] }));
      const found = new Map(rows.map((row) => [row.state, row.count]));
      for (const state of TRANSACTION_STATES) gauge.set({ state }, found.get(state) ?? 0);
      // Rejected and cancelled ones were never meant to succeed; what reverted, or was replaced, was.
      const good = ['included', 'confirmed', 'finalized'].reduce(
        (sum, state) => sum + (found.get(state) ?? 0),
        0,
      );
      const bad = (found.get('failed') ?? 0) + (found.get('replaced') ?? 0);
      if (good + bad > 0) ratio.set(good / (good + bad));
    },
  });
  void byState;
  const ratio = metrics.gauge({
    name: 'gateway_transaction_success_ratio',
    help: 'Of the transactions sent in the last 24 hours and decided, the share that succeeded.',
  });
  const oldest = metrics.gauge({
    name: 'gateway_transaction_oldest_waiting_seconds',
    help: 'Age of the oldest transaction that is neither included nor finished.',
    collect: async (gauge) => {
      const { rows } = await sql<{ age: number | null }>`
        SELECT extract(epoch FROM now() - min(created_at))::float AS age FROM transactions WHERE state IN ('queued','prepared','signed','submitted')`
        .execute(postgres.db)
        .catch(() => ({ rows: [] }));
      gauge.set(rows[0]?.age ?? 0);
    },
  });
  void oldest;
  const sent = metrics.counter({
    name: 'gateway_transaction_broadcasts_total',
    help: 'Broadcasts by what the providers answered.',
    labels: ['pool', 'outcome'],
  });
  const signed = metrics.counter({
    name: 'gateway_transaction_signatures_total',
    help: 'Signed attempts by kind.',
    labels: ['pool', 'kind'],
  });
  const included = metrics.counter({
    name: 'gateway_transactions_included_total',
    help: 'Inclusions in a block by outcome; a reorg can repeat one.',
    labels: ['pool', 'outcome'],
  });
  const stuck = metrics.counter({
    name: 'gateway_transaction_stuck_total',
    help: 'Times a lane was found stuck, by kind.',
    labels: ['pool', 'kind'],
  });
  const paused = metrics.gauge({
    name: 'gateway_lane_paused',
    help: '1 while a lane of the pool is paused for the reason.',
    labels: ['pool', 'reason'],
  });
  const drift = metrics.counter({
    name: 'gateway_lane_drift_total',
    help: 'Times a key was found to have been used elsewhere.',
    labels: ['pool'],
  });
  const settledTotal = metrics.counter({
    name: 'gateway_transaction_settlements_total',
    help: 'Blocks confirmed, and nonces finalized or taken back by a reorg.',
    labels: ['result'],
  });
  const inclusion = metrics.histogram({
    name: 'gateway_transaction_inclusion_seconds',
    help: 'From acceptance to the first inclusion in a block.',
    buckets: INCLUSION_BUCKETS,
  });

  const balance = metrics.gauge({
    name: 'gateway_signer_balance_ether',
    help: 'Balance of each signer, in whole coins of the chain; below the minimum of its policy it takes no new work.',
    labels: ['pool', 'signer'],
  });

  const findings = metrics.gauge({
    name: 'gateway_reconcile_findings',
    help: 'Differences between database, mempool and chain in the last round, by kind and whether they were repaired.',
    labels: ['kind', 'repaired'],
  });

  return {
    reconciled(found) {
      findings.reset();
      for (const { kind, repaired } of found) findings.inc({ kind, repaired: String(repaired) });
    },
    settled({ confirmed, finalized, reorged }) {
      if (confirmed) settledTotal.inc({ result: 'confirmed' }, confirmed);
      if (finalized) settledTotal.inc({ result: 'finalized' }, finalized);
      if (reorged) settledTotal.inc({ result: 'reorged' }, reorged);
    },
    lane: (pool, signer) => ({
      // Lossy on purpose: a gauge shows an order of magnitude, the database has the wei.
      balance: (wei) => balance.set({ pool, signer }, Number(wei) / 1e18),
      stuck: (kind) => stuck.inc({ pool, kind }),
      sent: (outcome) => sent.inc({ pool, outcome }),
      signed: (kind) => signed.inc({ pool, kind }),
      included({ outcome }, ageMs) {
        included.inc({ pool, outcome });
        if (ageMs !== undefined) inclusion.observe(ageMs / 1000);
      },
      paused(reason) {
        paused.reset();
        if (reason) paused.set({ pool, reason }, 1);
      },
      drifted: () => drift.inc({ pool }),
    }),
  };
}
