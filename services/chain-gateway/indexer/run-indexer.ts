import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import { isPostgresUnavailable } from '../../../lib/postgres.ts';
import type { Clock } from '../../../lib/time.ts';
import { reconcileBalances } from '../reconciler/reconcile-balances.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { AdvisoryLease } from '../store/advisory-lease.ts';
import { dropOldEvents } from '../store/event-log.ts';
import { saveFollowedContracts } from '../store/followed-contract-store.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { createIndexStore } from '../store/index-store.ts';
import type { ContractBook } from '../transactions/contract-book.ts';
import { backfillContracts } from './backfill-contracts.ts';
import { createChainReader } from './chain-reader.ts';
import { createChainFollower, IndexerHaltedError } from './follow-chain.ts';
import { followedContracts } from './followed-contracts.ts';

export interface IndexerDeps {
  readonly postgres: GatewayPostgres;
  readonly lease: AdvisoryLease;
  readonly rpc: EthereumRpc;
  readonly book: ContractBook;
  readonly chainId: number;
  readonly confirmations: number;
  readonly pollMs: number;
  readonly rangeBlocks: number;
  readonly startBlock: number | undefined;
  /** Days that events are kept; 0 keeps them for ever. */
  readonly eventRetentionDays: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The event log has grown to this number. */
  readonly onEvents: (seq: number) => void;
}

const STANDBY_POLL_MS = 1_000;
const ERROR_PAUSE_MS = 1_000;
const HALTED_PAUSE_MS = 5_000;
const RECONCILE_MS = 60_000;

export interface Indexer {
  run(signal: AbortSignal): Promise<void>;
  /** Why the index does not move, or undefined. */
  problem(): string | undefined;
}

/** Follows one chain for ever; of several processes one works and the others stand by for its lock. */
export function createIndexer(deps: IndexerDeps): Indexer {
  const { postgres, lease, rpc, book, chainId, clock, log, metrics } = deps;
  let problem: string | undefined = 'starting';
  const lag = metrics.gauge({
    name: 'gateway_indexer_lag_seconds',
    help: 'Age of the newest indexed block when it was written.',
  });
  const block = metrics.gauge({ name: 'gateway_indexer_block', help: 'Newest indexed block.' });
  const active = metrics.gauge({
    name: 'gateway_indexer_active',
    help: '1 in the process that indexes, 0 in those that stand by.',
  });
  const appended = metrics.counter({
    name: 'gateway_events_appended_total',
    help: 'Events of the chain, counted once per block that had them.',
  });
  const seqGauge = metrics.gauge({ name: 'gateway_event_log_seq', help: 'Newest number of the event log.' });
  const differences = metrics.gauge({
    name: 'gateway_index_differences',
    help: 'Balances and owners of the last sample in which the index and the chain differ.',
  });
  const compared = metrics.counter({
    name: 'gateway_index_compared_total',
    help: 'Balances and owners of the index compared with the chain.',
  });
  let nextReconcile = 0;
  const reorgs = metrics.histogram({
    name: 'gateway_reorg_depth_blocks',
    help: 'Blocks taken back per reorg.',
    buckets: [1, 2, 3, 5, 8, 13, 21, 34, 64],
  });

  async function build() {
    const contracts = await followedContracts(rpc, book);
    const store = createIndexStore(postgres, chainId, deps.confirmations);
    const earliest = contracts.length > 0 ? Math.min(...contracts.map((c) => c.fromBlock)) : 1;
    await saveFollowedContracts(postgres, chainId, contracts);
    const reader = createChainReader({ rpc, contracts });
    const follower = createChainFollower({
      reader,
      store,
      log,
      startBlock: deps.startBlock ?? earliest,
      rangeBlocks: deps.rangeBlocks,
      observer: {
        applied(applied, events, seq) {
          block.set(applied.number);
          lag.set(Math.max(0, clock.now() / 1000 - applied.time));
          if (events > 0) appended.inc(events);
          seqGauge.set(seq);
          deps.onEvents(seq);
        },
        reorg: (depth) => reorgs.observe(depth),
      },
    });
    return {
      follower,
      store,
      contracts,
      background: createChainReader({ rpc, contracts, background: true }),
    };
  }
  type Built = Awaited<ReturnType<typeof build>>;

  /** What may wait until the index is at the head. */
  async function maintain({ store, contracts, background }: Built): Promise<void> {
    const cursor = await store.cursor();
    if (!cursor) return;
    await backfillContracts({
      postgres,
      reader: background,
      contracts,
      chainId,
      rangeBlocks: deps.rangeBlocks,
      finalized: cursor.finalized,
    });
    if (clock.monotonic() < nextReconcile) return;
    nextReconcile = clock.monotonic() + RECONCILE_MS;
    const { checked, findings } = await reconcileBalances({ postgres, rpc, chainId });
    differences.set(findings.length);
    compared.inc(checked);
    if (findings.length > 0)
      log.error({ chainId, findings: findings.slice(0, 5) }, 'the index differs from the chain');
    if (deps.eventRetentionDays > 0) {
      const dropped = await postgres.transaction((trx) => dropOldEvents(trx, deps.eventRetentionDays));
      if (dropped.length > 0) log.info({ dropped }, 'old events were dropped');
    }
  }

  return {
    problem: () => problem,
    async run(signal) {
      let built: Built | undefined;
      while (!signal.aborted) {
        try {
          if (!(await lease.hold(`indexer:${chainId}`))) {
            active.set(0);
            problem = undefined;
            built = undefined;
            await clock.sleep(STANDBY_POLL_MS, signal);
            continue;
          }
          active.set(1);
          built ??= await build();
          const atHead = await built.follower.step(signal);
          if (problem && problem !== 'starting') log.info({ chainId }, 'the indexer works again');
          problem = undefined;
          if (atHead) {
            await maintain(built);
            await clock.sleep(deps.pollMs, signal);
          }
        } catch (error) {
          if (signal.aborted) break;
          const halted = error instanceof IndexerHaltedError;
          const message = (error as Error).message;
          if (problem !== message) {
            const expected = error instanceof RpcCallError || isPostgresUnavailable(error);
            log[halted || !expected ? 'error' : 'warn'](
              { err: error, chainId },
              halted ? 'the indexer has stopped on purpose' : 'indexing failed; trying again',
            );
          }
          problem = message;
          await clock.sleep(halted ? HALTED_PAUSE_MS : ERROR_PAUSE_MS, signal).catch(() => undefined);
        }
      }
    },
  };
}
