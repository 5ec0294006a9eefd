import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import { isPostgresUnavailable } from '../../../lib/postgres.ts';
import type { Clock } from '../../../lib/time.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { AdvisoryLease } from '../store/advisory-lease.ts';
import { saveFollowedContracts } from '../store/followed-contract-store.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { createIndexStore } from '../store/index-store.ts';
import type { ContractBook } from '../transactions/contract-book.ts';
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
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** The event log has grown to this number. */
  readonly onEvents: (seq: number) => void;
}

const STANDBY_POLL_MS = 1_000;
const ERROR_PAUSE_MS = 1_000;
const HALTED_PAUSE_MS = 5_000;

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
    return createChainFollower({
      reader: createChainReader({ rpc, contracts }),
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
  }

  return {
    problem: () => problem,
    async run(signal) {
      let follower: Awaited<ReturnType<typeof build>> | undefined;
      while (!signal.aborted) {
        try {
          if (!(await lease.hold(`indexer:${chainId}`))) {
            active.set(0);
            problem = undefined;
            follower = undefined;
            await clock.sleep(STANDBY_POLL_MS, signal);
            continue;
          }
          active.set(1);
          follower ??= await build();
          const atHead = await follower.step(signal);
          if (problem && problem !== 'starting') log.info({ chainId }, 'the indexer works again');
          problem = undefined;
          if (atHead) await clock.sleep(deps.pollMs, signal);
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
