import type { Clock } from '../../../lib/time.ts';

/**
 * A budget for extra upstream calls (retries, hedges): a share of the regular calls plus a small constant flow, with
 * a bounded reserve for bursts. When it is empty there are no extra calls, so failures cannot multiply the load.
 */
export interface ExtraCallBudget {
  /** One regular call was made. */
  onCall(): void;
  /** Takes one extra call out of the budget; false when there is none left. */
  take(): boolean;
  /** Extra calls available now. */
  available(): number;
}

export function createExtraCallBudget(options: {
  clock: Pick<Clock, 'monotonic'>;
  /** Extra calls earned per regular call, e.g. 0.2. */
  ratio: number;
  /** Extra calls earned per second without any regular calls, so that quiet times can retry too. */
  perSecond: number;
  /** The largest reserve, extra calls; also what it starts with. */
  reserve: number;
}): ExtraCallBudget {
  const { clock, ratio, perSecond, reserve } = options;
  let tokens = reserve;
  let at = clock.monotonic();
  const refill = (): void => {
    const now = clock.monotonic();
    if (now > at) {
      tokens = Math.min(reserve, tokens + ((now - at) / 1_000) * perSecond);
      at = now;
    }
  };
  return {
    onCall() {
      tokens = Math.min(reserve, tokens + ratio);
    },
    take() {
      refill();
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
    available() {
      refill();
      return Math.floor(tokens);
    },
  };
}
