import type { Logger } from '../../../../lib/log.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';
import type { Hold, HoldRequest, SpendingAccount } from '../principal.ts';
import type { CallLedger } from './call-ledger.ts';
import type { Purse, PurseFinish } from './purse.ts';
import { type TokenReason, tokenFailure } from './token-errors.ts';

export interface SpendingAccountsDeps {
  readonly purse: Pick<Purse, 'hold' | 'finish' | 'load' | 'onReconnect'>;
  readonly ledger: CallLedger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: {
    held(outcome: 'held' | TokenReason, seconds: number): void;
    ended(state: 'settled' | 'released', outcome: 'told' | 'gone' | 'given-up'): void;
    pending(endings: number): void;
  };
}

export interface SpendingAccounts {
  /** What a token spends from. Nothing is kept per token: the object is as light as the two values it closes over. */
  open(token: { allotmentId: string; epoch: number }): SpendingAccount;
  /** Endings that Redis was not told yet, because it is away. */
  pending(): number;
  /** Tells what can be told within `deadlineMs`; the rest expires in Redis by itself and is not charged. */
  close(deadlineMs: number): Promise<void>;
}

/** A hold outlives its call by this much, milliseconds: an answer that is settled late is still charged once. */
export const HOLD_GRACE_MS = 5_000;
/** Longest that a call waits for its budget, milliseconds: leasing, or the worker to post what was spent. */
const MAX_WAIT_MS = 2_000;
/** Pause before the worker is given another chance to post, milliseconds; it posts every 50 ms. */
const UNPOSTED_PAUSE_MS = 30;
/** Endings kept while Redis is away; more expire in Redis by themselves, uncharged. */
const MAX_PENDING = 20_000;
const RETRY_PENDING_MS = 250;
/** A call id is ours and printable; method names may be anything a client typed. */
const METHOD = /^[A-Za-z0-9_]{1,64}$/;

/** The hot path of call tokens: one round trip to Redis per hold, and Postgres only when a chunk is used up. */
export function createSpendingAccounts(deps: SpendingAccountsDeps): SpendingAccounts {
  const { purse, ledger, clock, log, metrics } = deps;
  /** Allotments that were compared with Postgres since the connection to Redis was made. */
  let confirmed = new Set<string>();
  const MAX_CONFIRMED = 100_000;
  purse.onReconnect(() => {
    // What Redis says may be older than a revocation that could not reach it.
    confirmed = new Set();
    void ledger.agree().catch((error) => log.warn({ err: error }, 'the generation could not be checked'));
  });

  const pending = new Map<string, PurseFinish & { until: number }>();
  let retrying = false;

  function tell(finish: PurseFinish, until: number): void {
    purse.finish(finish).then(
      (told) => metrics.ended(finish.state, told ? 'told' : 'gone'),
      () => {
        if (pending.size >= MAX_PENDING) {
          metrics.ended(finish.state, 'given-up');
          return;
        }
        pending.set(`${finish.allotmentId}/${finish.callId}`, { ...finish, until });
        metrics.pending(pending.size);
        void retryPending();
      },
    );
  }

  async function retryPending(): Promise<void> {
    if (retrying) return;
    retrying = true;
    while (pending.size > 0) {
      await clock.sleep(RETRY_PENDING_MS);
      for (const [key, finish] of pending) {
        try {
          const told = await purse.finish(finish);
          metrics.ended(finish.state, told ? 'told' : 'gone');
          pending.delete(key);
        } catch {
          // Still away. After its deadline the hold is gone in Redis as well, and telling it is of no use.
          if (clock.monotonic() < finish.until) break;
          metrics.ended(finish.state, 'given-up');
          pending.delete(key);
        }
      }
      metrics.pending(pending.size);
    }
    retrying = false;
  }

  function holdOf(base: Omit<PurseFinish, 'state' | 'units'>, units: number, until: number): Hold {
    let over = false;
    const end = (state: 'settled' | 'released', spent: number): void => {
      if (over) return;
      over = true;
      tell({ ...base, state, units: spent }, until);
    };
    return {
      settle: (spent) => end('settled', Math.min(Math.max(0, Math.ceil(spent)), units)),
      release: () => end('released', 0),
    };
  }

  async function take(
    token: { allotmentId: string; epoch: number },
    request: HoldRequest,
    startedAt: number,
  ): Promise<Hold | RpcFailure> {
    const { allotmentId, epoch } = token;
    const units = Math.ceil(request.units);
    const expiresInMs = request.deadlineMs + HOLD_GRACE_MS;
    const giveUpAt = startedAt + Math.min(MAX_WAIT_MS, request.deadlineMs);
    const method = METHOD.test(request.method) ? request.method : 'other';
    const grant = (remaining: number) => ledger.grant({ allotmentId, tokenEpoch: epoch, units, remaining });
    let generation = ledger.generation() || (await ledger.agree());
    if (!confirmed.has(allotmentId)) {
      const granted = await grant(0);
      if (granted.kind === 'none' && granted.reason === 'revoked') return revoked();
      if (confirmed.size >= MAX_CONFIRMED) confirmed.clear();
      confirmed.add(allotmentId);
    }
    for (let first = true; ; first = false) {
      // The same call id each time: a hold whose answer was lost is found again and not taken twice.
      const answer = await purse.hold({
        generation,
        allotmentId,
        epoch,
        callId: request.callId,
        units,
        expiresInMs,
        method,
      });
      switch (answer.kind) {
        case 'HELD':
          return holdOf(
            { generation, allotmentId, callId: request.callId },
            units,
            clock.monotonic() + expiresInMs,
          );
        case 'REVOKED':
          return revoked();
        case 'EARLY':
          return tokenFailure('authorization_not_yet_valid', 'the spend authorization is not valid yet');
        case 'EXPIRED':
          return tokenFailure(
            'authorization_expired',
            'the spend authorization has expired; sign and exchange a new one',
          );
        case 'PER_CALL':
          return tokenFailure(
            'over_max_per_call',
            `the call may cost more than the authorization allows for one call (${answer.most})`,
            { maxPerCall: answer.most },
          );
        case 'BUSY':
          return tokenFailure(
            'too_many_in_flight',
            `the authorization allows ${answer.most} calls at the same time, and they are under way`,
            { maxInFlight: answer.most },
          );
        case 'DONE':
        case 'CONFLICT':
          return tokenFailure('call_repeated', 'a call with this id was made before');
        case 'LOST':
          generation = await ledger.agree();
          break;
        case 'COLD':
        case 'LOW': {
          const remaining = answer.kind === 'LOW' ? answer.remaining : 0;
          const granted = await grant(remaining);
          if (granted.kind === 'none') {
            if (granted.reason === 'revoked') return revoked();
            if (granted.reason === 'unknown')
              return tokenFailure('token_invalid', 'the allotment of this token does not exist any more');
            if (granted.reason === 'exhausted') return exhausted(remaining);
          } else {
            generation = granted.load.generation;
            const nothingMore = granted.more === 0 && !first && answer.kind === 'LOW';
            if (nothingMore && granted.available === 0) return exhausted(answer.remaining);
            if (!nothingMore) break;
          }
          if (clock.monotonic() >= giveUpAt) return unavailable('what was spent is not accounted yet');
          await clock.sleep(UNPOSTED_PAUSE_MS);
          break;
        }
        case 'BEHIND':
          return unavailable('too many calls wait to be accounted');
      }
      if (clock.monotonic() >= giveUpAt) return unavailable('the budget could not be reserved in time');
    }
  }

  return {
    open: (token) => ({
      async hold(request) {
        const startedAt = clock.monotonic();
        const done = (result: Hold | RpcFailure, reason: 'held' | TokenReason): Hold | RpcFailure => {
          metrics.held(reason, (clock.monotonic() - startedAt) / 1000);
          return result;
        };
        // Free calls need no budget; a hold of nothing would only count against the calls under way.
        if (request.units <= 0) return { settle: () => undefined, release: () => undefined };
        try {
          const result = await take(token, request, startedAt);
          return done(
            result,
            'ok' in result ? (JSON.parse(result.data ?? '{}').reason as TokenReason) : 'held',
          );
        } catch (error) {
          log.debug({ err: error }, 'a hold could not be taken');
          // It may have been taken although we never heard: say that it is over, or let it expire.
          tell(
            {
              generation: ledger.generation(),
              allotmentId: token.allotmentId,
              callId: request.callId,
              state: 'released',
              units: 0,
            },
            clock.monotonic() + request.deadlineMs + HOLD_GRACE_MS,
          );
          return done(unavailable('the accounts cannot be reached'), 'accounting_unavailable');
        }
      },
    }),
    pending: () => pending.size,
    async close(deadlineMs) {
      const until = clock.monotonic() + deadlineMs;
      while (pending.size > 0 && clock.monotonic() < until) await clock.sleep(20);
    },
  };
}

const revoked = (): RpcFailure => tokenFailure('token_revoked', 'the call token was revoked');
const exhausted = (remaining: number): RpcFailure =>
  tokenFailure('budget_exhausted', `the budget does not cover the call; ${remaining} is left`, { remaining });
const unavailable = (why: string): RpcFailure =>
  tokenFailure(
    'accounting_unavailable',
    `calls that are paid by a token cannot be accounted at the moment: ${why}; nothing was charged`,
  );
