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
  readonly size: number;
}

/** What was asked is answered for this long. */
const KEEP_MS = 600_000;

/** Remembers the paths of recent requests in a bounded ring: ten minutes, or the last `capacity` requests if that is less. */
export function createExplainer(deps: { clock: Pick<Clock, 'now'>; capacity: number }): Explainer {
  const requests = new Map<string, ExplainedRequest>();
  return {
    add(requestId, principal, traces) {
      // A client may reuse its request id; the latest use wins and moves to the end.
      requests.delete(requestId);
      requests.set(requestId, { requestId, principal, at: deps.clock.now(), traces });
      if (requests.size > deps.capacity) requests.delete(requests.keys().next().value as string);
    },
    find(requestId) {
      const found = requests.get(requestId);
      if (found === undefined) return undefined;
      if (deps.clock.now() - found.at <= KEEP_MS) return found;
      requests.delete(requestId);
      return undefined;
    },
    get size() {
      return requests.size;
    },
  };
}
