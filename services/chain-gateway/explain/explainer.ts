import type { Clock } from '../../../lib/time.ts';
import type { CallTrace } from './trace.ts';

/** One request with all of its calls. */
export interface ExplainedRequest {
  readonly requestId: string;
  readonly principal: string;
  /** Wall-clock milliseconds. */
  readonly at: number;
  readonly traces: readonly CallTrace[];
}

export interface Explainer {
  add(requestId: string, principal: string, traces: readonly CallTrace[]): void;
  find(requestId: string): ExplainedRequest | undefined;
  /** Calls that are remembered. */
  readonly size: number;
}

/** What was asked is answered for this long. */
const KEEP_MS = 600_000;

/** Remembers the paths of recent requests: ten minutes, or the last `capacity` calls if that is less. */
export function createExplainer(deps: { clock: Pick<Clock, 'now'>; capacity: number }): Explainer {
  const requests = new Map<string, ExplainedRequest>();
  let calls = 0;
  return {
    add(requestId, principal, traces) {
      // A client may reuse its request id; the latest use wins and moves to the end.
      const before = requests.get(requestId);
      if (before !== undefined) {
        requests.delete(requestId);
        calls -= before.traces.length;
      }
      requests.set(requestId, { requestId, principal, at: deps.clock.now(), traces });
      calls += traces.length;
      while (calls > deps.capacity && requests.size > 1) {
        const [oldest, { traces: gone }] = requests.entries().next().value as [string, ExplainedRequest];
        requests.delete(oldest);
        calls -= gone.length;
      }
    },
    find(requestId) {
      const found = requests.get(requestId);
      if (found === undefined) return undefined;
      if (deps.clock.now() - found.at <= KEEP_MS) return found;
      requests.delete(requestId);
      calls -= found.traces.length;
      return undefined;
    },
    get size() {
      return calls;
    },
  };
}
