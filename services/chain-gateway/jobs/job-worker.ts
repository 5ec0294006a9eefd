import type { Logger } from '../../../lib/log.ts';
import type { Job } from '../../../lib/queue.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { JobWorkerMetrics } from './job-metrics.ts';
import type { Ticket, TicketOffice } from './job-queue.ts';
import type { ClaimedSlice } from './job-types.ts';
import { retryDelayMs } from './retry.ts';
import { runSlice } from './run-slice.ts';
import { claimSlice, renewClaims, type SliceEnd, settleSlice } from './slice-store.ts';

export interface JobWorkerSettings {
  /** Slices in hand at the same time. */
  readonly concurrency: number;
  /** Calls of one slice at the same time. */
  readonly parallelCalls: number;
  /** Attempts at a slice before it is a dead letter. */
  readonly maxAttempts: number;
  readonly leaseMs: number;
  readonly retentionMs: number;
}

export interface JobWorkerDeps {
  readonly postgres: GatewayPostgres;
  readonly office: TicketOffice;
  readonly rpc: EthereumRpc;
  readonly chainId: number;
  readonly settings: JobWorkerSettings;
  readonly metrics: JobWorkerMetrics;
  /** Called whenever the number of busy slots changes. */
  readonly onBusy?: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface JobWorker {
  start(): void;
  busy(): number;
  /**
   * Takes no more tickets, lets the slices in hand finish for `graceMs`, and hands back what is left of them: answers
   * that are there are stored, the rest is queued again at once and not counted as an attempt.
   */
  stop(graceMs: number): Promise<void>;
}

/** A settlement that Postgres refuses is tried this often before the lease is left to run out. */
const SETTLE_ATTEMPTS = 5;
const SETTLE_RETRY_MS = 500;

/** Takes tickets and works on slices: at least once each call, exactly one answer per index. Any number of them. */
export function createJobWorker(deps: JobWorkerDeps): JobWorker {
  const { postgres, office, rpc, chainId, settings, metrics, clock, random, log } = deps;
  const inHand = new Map<string, AbortController>();
  let stopping = false;

  async function takeTurn(ticket: Job<Ticket>): Promise<void> {
    // Paused at the last moment: the slice stays queued in Postgres, and another worker makes a new ticket for it.
    if (stopping) return;
    const claim = random.uuid();
    const options = { chainId, claim, leaseMs: settings.leaseMs };
    const slice =
      (await claimSlice(postgres.db, options)) ?? (await claimSlice(postgres.db, { ...options, wait: true }));
    if (slice === undefined) {
      // Kept, it would say to the controller that a job takes no time at all.
      ticket.opts.removeOnComplete = true;
      return;
    }
    metrics.started((clock.now() - ticket.timestamp - (ticket.opts.delay ?? 0)) / 1000);
    const abort = new AbortController();
    inHand.set(claim, abort);
    deps.onBusy?.();
    try {
      await work(slice, abort.signal);
    } finally {
      inHand.delete(claim);
      deps.onBusy?.();
    }
  }

  async function work(slice: ClaimedSlice, signal: AbortSignal): Promise<void> {
    const startedAt = clock.monotonic();
    const outcome = await runSlice(slice, { rpc, parallel: settings.parallelCalls, signal });
    const attempts = slice.attempts + 1;
    let end: SliceEnd;
    if (outcome.left.length === 0) end = { kind: 'done' };
    else if (outcome.problem === undefined || signal.aborted)
      end = { kind: 'again', delayMs: 0, counted: false, left: outcome.left, problem: undefined };
    else if (attempts >= settings.maxAttempts)
      end = { kind: 'dead', left: outcome.left, problem: outcome.problem };
    else {
      const delayMs = retryDelayMs(attempts, outcome.retryAfterSeconds, random.float());
      end = { kind: 'again', delayMs, counted: true, left: outcome.left, problem: outcome.problem };
    }
    const kept = await settle(slice, outcome.answers, end);
    const name = !kept ? 'lost' : end.kind === 'again' && !end.counted ? 'handed-back' : end.kind;
    metrics.finished(name, (clock.monotonic() - startedAt) / 1000, kept ? outcome.answers.length : 0);
    if (!kept)
      log.debug(
        { job: slice.jobId, slice: slice.slice },
        'the claim of a slice was lost; its answers are dropped',
      );
    else if (end.kind === 'again') await office.add(1, end.delayMs);
    else if (end.kind === 'dead')
      log.warn(
        {
          job: slice.jobId,
          slice: slice.slice,
          attempts,
          calls: end.left.length,
          error: end.problem.message,
        },
        'a slice is dead: nobody could answer its calls; redrive the job when the cause is gone',
      );
  }

  /** Postgres may be away for a moment; the answers are worth waiting for. */
  async function settle(
    slice: ClaimedSlice,
    answers: Parameters<typeof settleSlice>[2],
    end: SliceEnd,
  ): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await settleSlice(postgres, slice, answers, end, settings.retentionMs);
      } catch (error) {
        if (attempt >= SETTLE_ATTEMPTS) {
          log.error(
            { err: error, job: slice.jobId, slice: slice.slice },
            'a slice could not be settled; it is asked again when its lease is over',
          );
          return false;
        }
        await clock.sleep(SETTLE_RETRY_MS * attempt);
      }
    }
  }

  /** Tells Postgres that we live, and learns what was cancelled. */
  async function renew(): Promise<void> {
    const mine = [...inHand.keys()];
    const held = await renewClaims(postgres.db, mine, settings.leaseMs);
    for (const claim of mine) {
      if (!held.has(claim)) inHand.get(claim)?.abort(new Error('the claim was lost'));
    }
  }

  let renewing = false;
  let heartbeat: { cancel(): void } | undefined;
  const { queue } = office.managed;
  return {
    busy: () => inHand.size,
    start() {
      heartbeat = clock.setInterval(() => {
        if (renewing || inHand.size === 0) return;
        renewing = true;
        renew()
          .catch((error) => log.warn({ err: error }, 'claims could not be renewed; trying again'))
          .finally(() => {
            renewing = false;
          });
      }, settings.leaseMs / 5);
      queue.process(settings.concurrency, takeTurn).catch((error: unknown) => {
        if (!stopping) log.warn({ err: error }, 'tickets are not taken at the moment; Bull connects again');
      });
    },
    async stop(graceMs) {
      stopping = true;
      // Locally and without waiting: Bull would wait for the running ones for as long as they take.
      if (queue.client.status === 'ready')
        await queue.pause(true, true).catch((error: unknown) => log.debug({ err: error }, 'pausing failed'));
      const deadline = clock.monotonic() + graceMs;
      while (inHand.size > 0 && clock.monotonic() < deadline) await clock.sleep(20);
      for (const abort of inHand.values()) abort.abort(new Error('shutting down'));
      const settled = clock.monotonic() + SETTLE_ATTEMPTS * SETTLE_RETRY_MS;
      while (inHand.size > 0 && clock.monotonic() < settled) await clock.sleep(10);
      heartbeat?.cancel();
    },
  };
}
