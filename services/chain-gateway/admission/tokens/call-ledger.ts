import type { Logger } from '../../../../lib/log.ts';
import type { Random } from '../../../../lib/random.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { type Grant, grantChunk, settleGeneration } from './ledger-store.ts';
import type { Purse } from './purse.ts';

/** Where Redis gets its budget from: leases chunks, and notices when Redis is not the one it leased to. */
export interface CallLedger {
  /** The life of Redis that we lease to. Empty until {@link CallLedger.agree} was called. */
  generation(): string;
  /** Compares notes with Redis and begins a new generation when it lost its data. One at a time in a process. */
  agree(): Promise<string>;
  /** One grant per allotment at a time; callers that come meanwhile share its answer. */
  grant(request: {
    allotmentId: string;
    tokenEpoch: number;
    /** Compute units that somebody wants to hold. */
    units: number;
    /** What Redis still has of the budget; 0 when it has none. */
    remaining: number;
  }): Promise<Grant>;
}

/** @param chunk most that may be outstanding in Redis per allotment, in the smallest unit of its asset. */
export function createCallLedger(deps: {
  postgres: GatewayPostgres;
  purse: Pick<Purse, 'generation' | 'setGeneration' | 'load'>;
  chunk: number;
  random: Random;
  log: Logger;
  onLoss?: (leases: number) => void;
}): CallLedger {
  const { postgres, purse, chunk, random, log } = deps;
  let generation = '';
  let agreeing: Promise<string> | undefined;
  const granting = new Map<string, Promise<Grant>>();

  async function agreeNow(): Promise<string> {
    const settled = await postgres.transaction((trx) =>
      settleGeneration(trx, {
        redisGeneration: () => purse.generation(),
        fresh: random.uuid(),
        publish: (token) => purse.setGeneration(token),
      }),
    );
    if (settled.began) {
      if (settled.lost > 0) {
        log.warn(
          { leases: settled.lost },
          'Redis lost the budgets it was given; they were taken back, and calls that it had not told yet are not charged',
        );
      }
      deps.onLoss?.(settled.lost);
    }
    generation = settled.generation;
    return generation;
  }

  return {
    generation: () => generation,
    agree() {
      agreeing ??= agreeNow().finally(() => {
        agreeing = undefined;
      });
      return agreeing;
    },
    grant(request) {
      const key = `${request.allotmentId}/${request.tokenEpoch}`;
      const running = granting.get(key);
      if (running !== undefined) return running;
      const started = (async () => {
        const grant = await postgres.transaction((trx) => grantChunk(trx, { ...request, chunk }));
        if (grant.kind === 'granted') await purse.load(grant.load);
        return grant;
      })().finally(() => granting.delete(key));
      granting.set(key, started);
      return started;
    },
  };
}
