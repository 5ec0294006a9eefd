import { runWithContext } from '../../../lib/context.ts';
import type { Logger } from '../../../lib/log.ts';
import { isPostgresUnavailable } from '../../../lib/postgres.ts';
import type { Clock } from '../../../lib/time.ts';
import { sealAudit } from '../audit/seal-audit.ts';
import { prune } from '../reconciler/prune.ts';
import { reconcileTransactions } from '../reconciler/reconcile-transactions.ts';
import { createDriftRecovery } from '../reconciler/recover-drift.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import { RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { SignerPool, SignerPools } from '../signers/signer-pools.ts';
import type { AdvisoryLease } from '../store/advisory-lease.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { createLaneStore, ensureLane } from '../store/lane-store.ts';
import {
  type ClaimedCandidate,
  claimQueued,
  laneLoads,
  recordPreparation,
  returnPrepared,
} from '../store/prepare-store.ts';
import type { ContractBook } from './contract-book.ts';
import { DEFAULT_LANE_TIMING, type LaneTiming } from './decide-lane.ts';
import { createLaneEngine } from './lane-engine.ts';
import type { LaneChain } from './lane-types.ts';
import { type Preparation, prepare } from './prepare.ts';
import { settleBlocks } from './settle-blocks.ts';
import type { TransactionMetrics } from './transaction-metrics.ts';
import { createWaker, type Waker } from './waker.ts';

export interface TransactionWorkerDeps {
  readonly postgres: GatewayPostgres;
  readonly lease: AdvisoryLease;
  readonly rpc: EthereumRpc;
  readonly chain: LaneChain;
  readonly book: ContractBook;
  readonly pools: SignerPools;
  /** Depth at which a block counts as confirmed. */
  readonly confirmations: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: TransactionMetrics;
  readonly timing?: LaneTiming;
  readonly accessLists?: boolean;
  /** Delivers webhooks when given. */
  readonly webhooks?: { step(): Promise<number> } | undefined;
}

export interface TransactionWorker {
  /** There may be something to do; `inLane`: for a transaction that has a nonce already. */
  wake(inLane?: boolean): void;
  /** Works until the signal aborts; resolves when everything begun is finished. */
  run(signal: AbortSignal): Promise<void>;
}

/** Without a hint (Redis away) new work is found this late at most. */
const QUEUE_POLL_MS = 500;
const HEAD_POLL_MS = 250;
/** An open lane looks again at least this often, block or no block: unknown broadcasts are retried each second. */
const LANE_POLL_MS = 1_000;
const IDLE_LANE_POLL_MS = 5_000;
const STANDBY_POLL_MS = 1_000;
const ERROR_PAUSE_MS = 1_000;
const SEAL_POLL_MS = 1_000;
const RECONCILE_MS = 60_000;
const WEBHOOK_POLL_MS = 1_000;
const PREPARE_BATCH = 32;
/** First wait before a transaction that could not be prepared is tried again. */
const PREPARE_RETRY_MS = 2_000;
const MAX_REQUEUES = 5;

/** Carries the transactions of one chain from queued to final. Any number of these may run; each lane has one owner at a time. */
export function createTransactionWorker(deps: TransactionWorkerDeps): TransactionWorker {
  const { postgres, lease, rpc, chain, book, pools, clock, log, metrics } = deps;
  const store = createLaneStore(postgres);
  const timing = deps.timing ?? DEFAULT_LANE_TIMING;
  const recoverDrift = createDriftRecovery({ postgres, rpc, chain, log });
  const preparing = createWaker(clock);
  const settling = createWaker(clock);
  const lanes = pools.all().flatMap((pool) =>
    pool.signers.map((signer) => ({
      pool,
      waker: createWaker(clock),
      engine: createLaneEngine({
        store,
        chain,
        signer,
        clock,
        timing,
        feeCap: pool.policy.maxFeePerGas,
        minimumBalance: pool.policy.minimumBalance,
        allowance: pool.policy.spendLimit,
        maxRequeues: MAX_REQUEUES,
        observer: metrics.lane(pool.alias, signer.address),
        recoverDrift,
      }),
    })),
  );

  /** Runs `step` for ever; an error is logged once per kind and followed by a pause, never by the end of the loop. */
  async function loop(
    name: string,
    waker: Waker,
    signal: AbortSignal,
    step: () => Promise<number>,
  ): Promise<void> {
    let failing = false;
    while (!signal.aborted) {
      try {
        const cause = waker.cause();
        const waitMs = await (cause === undefined ? step() : runWithContext(cause, step));
        if (failing) log.info({ loop: name }, 'works again');
        failing = false;
        await waker.wait(waitMs, signal);
      } catch (error) {
        const expected = isPostgresUnavailable(error) || error instanceof RpcCallError;
        if (!failing)
          log[expected ? 'warn' : 'error']({ err: error, loop: name }, 'a step failed; trying again');
        failing = true;
        await clock.sleep(ERROR_PAUSE_MS, signal).catch(() => undefined);
      }
    }
  }

  async function prepareOne(candidate: ClaimedCandidate, pool: SignerPool, signer: string): Promise<void> {
    let result: Preparation;
    if (candidate.expired)
      result = { kind: 'refused', code: 'expired', message: 'its deadline passed before it could be sent' };
    else
      result = await prepare(
        { rpc, chain, book, feeCap: pool.policy.maxFeePerGas, accessLists: deps.accessLists ?? false },
        candidate,
        signer,
      );
    // A dry run judges like the real thing and stops before the signature.
    if (pool.policy.dryRun && result.kind === 'ready') result = { kind: 'wait', reason: 'dry_run' };
    await recordPreparation(postgres, candidate, signer, result, PREPARE_RETRY_MS);
  }

  /** A key that is here and not being rotated out. */
  const takesWork = (address: string): boolean => {
    const known = pools.signer(address);
    return known !== undefined && known.signer.draining !== true;
  };

  async function prepareQueued(): Promise<number> {
    const candidates = await claimQueued(postgres, chain.chainId, pools.aliases(), PREPARE_BATCH);
    if (candidates.length === 0) return QUEUE_POLL_MS;
    const loads = new Map<string, { signer: string; load: number }[]>();
    const jobs = [];
    for (const candidate of candidates) {
      const pool = pools.pool(candidate.pool);
      if (!pool) continue;
      let lanesOfPool = loads.get(candidate.pool);
      if (!lanesOfPool) {
        const all = (await laneLoads(postgres, chain.chainId, candidate.pool)).filter((lane) =>
          takesWork(lane.signer),
        );
        const running = all.filter((lane) => lane.pausedReason === null);
        lanesOfPool = running.length > 0 ? running : all;
        loads.set(candidate.pool, lanesOfPool);
      }
      const [least] = lanesOfPool.sort((a, b) => a.load - b.load);
      if (!least) continue;
      least.load += 1;
      jobs.push(prepareOne(candidate, pool, least.signer));
    }
    const failed = (await Promise.allSettled(jobs)).find((job) => job.status === 'rejected');
    for (const lane of lanes) lane.waker.wake();
    if (failed) throw failed.reason;
    return candidates.length === PREPARE_BATCH ? 0 : QUEUE_POLL_MS;
  }

  /** What waits at a signer that is paused, draining or gone goes back to the queue when another one of its pool works. */
  async function redistribute(): Promise<void> {
    for (const pool of pools.all()) {
      const loads = await laneLoads(postgres, chain.chainId, pool.alias);
      const works = (lane: (typeof loads)[number]) => lane.pausedReason === null && takesWork(lane.signer);
      if (!loads.some(works)) continue;
      for (const lane of loads) {
        if (!works(lane) && (await returnPrepared(postgres, chain.chainId, lane.signer)) > 0)
          preparing.wake();
      }
    }
  }

  async function watchHead(signal: AbortSignal): Promise<void> {
    const waker = createWaker(clock);
    let last = '';
    await loop('head', waker, signal, async () => {
      const head = await chain.head();
      if (head.hash !== last) {
        last = head.hash;
        settling.wake();
        for (const lane of lanes) lane.waker.wake();
      }
      return HEAD_POLL_MS;
    });
  }

  return {
    wake(inLane = false) {
      preparing.wake();
      if (inLane) for (const lane of lanes) lane.waker.wake();
    },
    async run(signal) {
      const setup = new AbortController();
      await loop('lanes', createWaker(clock), AbortSignal.any([signal, setup.signal]), async () => {
        for (const { engine, pool } of lanes) {
          const nextNonce = await chain.nonce(engine.address, 'latest');
          await ensureLane(postgres, {
            chainId: chain.chainId,
            signer: engine.address,
            pool: pool.alias,
            nextNonce,
          });
        }
        setup.abort();
        return 0;
      });
      await Promise.all([
        watchHead(signal),
        loop('prepare', preparing, signal, prepareQueued),
        loop('settle', settling, signal, async () => {
          if (!(await lease.hold(`settle:${chain.chainId}`))) return STANDBY_POLL_MS;
          metrics.settled(
            await settleBlocks({ store, chain, confirmations: deps.confirmations }, await chain.head()),
          );
          return LANE_POLL_MS;
        }),
        loop('audit', createWaker(clock), signal, async () =>
          (await sealAudit(postgres)) > 0 ? 0 : SEAL_POLL_MS,
        ),
        loop('reconcile', createWaker(clock), signal, async () => {
          // By whoever settles: it has the lanes' view, and two at once would only do the same twice.
          if (!(await lease.hold(`settle:${chain.chainId}`))) return STANDBY_POLL_MS;
          await redistribute();
          const findings = await reconcileTransactions({
            postgres,
            rpc,
            chain,
            engines: lanes.map((lane) => lane.engine),
          });
          metrics.reconciled(findings);
          await prune(postgres, clock);
          return RECONCILE_MS;
        }),
        ...(deps.webhooks
          ? [
              loop('webhooks', createWaker(clock), signal, async () =>
                (await deps.webhooks?.step()) ? 0 : WEBHOOK_POLL_MS,
              ),
            ]
          : []),
        ...lanes.map(({ engine, waker }) =>
          loop(`lane ${engine.address}`, waker, signal, async () => {
            if (!(await lease.hold(`lane:${chain.chainId}:${engine.address}`))) return STANDBY_POLL_MS;
            const { open, signed } = await engine.tick();
            return signed > 0 ? 50 : open > 0 ? LANE_POLL_MS : IDLE_LANE_POLL_MS;
          }),
        ),
      ]);
    },
  };
}
