import type { ProviderSpec } from './types.ts';

/** What one probe found. */
export type ProbeResult =
  | {
      readonly ok: true;
      readonly chainId: number;
      readonly head: number;
      readonly latencyMs: number;
      readonly clientVersion: string;
      /** Undefined when not asked for. */
      readonly archive?: boolean;
      readonly missingMethods: readonly string[];
    }
  | { readonly ok: false; readonly error: string };

/** What is remembered of a provider between probes. */
export interface Health {
  readonly healthy: boolean | undefined;
  readonly failures: number;
  readonly successes: number;
  readonly lastError: string | undefined;
  /** Latencies of the last good probes, milliseconds. */
  readonly latencies: readonly number[];
  readonly last: Extract<ProbeResult, { ok: true }> | undefined;
}

export const unknownHealth: Health = {
  healthy: undefined,
  failures: 0,
  successes: 0,
  lastError: undefined,
  latencies: [],
  last: undefined,
};

/** As many probes as the median latency looks back. */
const LATENCIES = 9;

/**
 * Counts a probe. Health changes only after so many probes in a row say the same, so one lost packet does not take a
 * provider out; the very first probe decides at once.
 */
export function countProbe(health: Health, result: ProbeResult, probe: ProviderSpec['probe']): Health {
  if (result.ok) {
    const successes = health.successes + 1;
    const healthy =
      health.healthy === undefined || successes >= probe.successThreshold ? true : health.healthy;
    return {
      healthy,
      failures: 0,
      successes,
      lastError: undefined,
      latencies: [...health.latencies, result.latencyMs].slice(-LATENCIES),
      last: result,
    };
  }
  const failures = health.failures + 1;
  const healthy = health.healthy === undefined || failures >= probe.failureThreshold ? false : health.healthy;
  return { ...health, healthy, failures, successes: 0, lastError: result.error };
}

/** The second look after a surprise comes this soon, milliseconds; each further one three times as late. */
const CLOSE_LOOK_MS = 1_000;
/** A provider that is down is looked at this often, milliseconds: its return is what everybody waits for. */
const DOWN_LOOK_MS = 3_000;

/**
 * When the next probe is due. A provider that behaves as it is known to is probed at its interval; one that contradicts
 * what is known of it is looked at again soon, so that a verdict takes seconds and not as many intervals.
 * @returns milliseconds from now
 */
export function nextProbeMs(health: Health, probe: ProviderSpec['probe']): number {
  const usualMs = probe.intervalSeconds * 1000;
  const surprises = health.healthy === false ? health.successes : health.failures;
  if (surprises > 0) return Math.min(usualMs, CLOSE_LOOK_MS * 3 ** (surprises - 1));
  return health.healthy === false ? Math.min(usualMs, DOWN_LOOK_MS) : usualMs;
}

export const median = (values: readonly number[]): number | undefined => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? undefined : sorted[Math.floor(sorted.length / 2)];
};

/** What the gateway's real traffic to a provider looks like. */
export interface Traffic {
  readonly callsPerSecond: number;
  readonly throttledPercent: number;
  readonly errorPercent: number;
}

export interface Verdict {
  readonly ready: boolean | undefined;
  readonly reason:
    | 'Serving'
    | 'NotProbedYet'
    | 'Cordoned'
    | 'Unreachable'
    | 'WrongChain'
    | 'HeadStale'
    | 'ArchiveMissing'
    | 'MethodMissing'
    | 'TrafficFailing';
  readonly message: string;
  /** Must never be given to the gateway, even if nothing else is left. */
  readonly dangerous: boolean;
}

/** Real traffic with at least this many calls per second outvotes a probe that got through. */
const ENOUGH_CALLS_PER_SECOND = 1;
/** A provider that fails most of its real calls is not healthy, whatever a probe says. */
const FAILING_PERCENT = 50;

/** Whether the gateway should use the provider, and why. `bestHead` is the highest head seen on the chain. */
export function judge(
  spec: ProviderSpec,
  health: Health,
  bestHead: number | undefined,
  traffic: Traffic | undefined,
): Verdict {
  const verdict = (
    ready: boolean | undefined,
    reason: Verdict['reason'],
    message: string,
    dangerous = false,
  ): Verdict => ({ ready, reason, message, dangerous });
  const { last } = health;
  if (last && last.chainId !== spec.chainId) {
    return verdict(
      false,
      'WrongChain',
      `it serves chain ${last.chainId}, not ${spec.chainId}: correct the URL in the Secret or spec.chainId`,
      true,
    );
  }
  if (spec.cordoned)
    return verdict(false, 'Cordoned', 'spec.cordoned is set; remove it to use the provider again');
  if (health.healthy === undefined) return verdict(undefined, 'NotProbedYet', 'waiting for the first probe');
  if (!health.healthy)
    return verdict(
      false,
      'Unreachable',
      `${health.failures} probes in a row failed, the last with: ${health.lastError ?? 'unknown'}`,
    );
  if (last && bestHead !== undefined && bestHead - last.head > spec.probe.maxHeadLagBlocks) {
    return verdict(
      false,
      'HeadStale',
      `its head is ${bestHead - last.head} blocks behind the best provider; ${spec.probe.maxHeadLagBlocks} are allowed`,
    );
  }
  if (spec.archive && last?.archive === false) {
    return verdict(
      false,
      'ArchiveMissing',
      'it does not serve historical state: set spec.archive to false or use an archive endpoint',
    );
  }
  if (last && last.missingMethods.length > 0) {
    return verdict(
      false,
      'MethodMissing',
      `it does not know ${last.missingMethods.join(', ')}: remove them from spec.probe.methods or use another plan`,
    );
  }
  if (
    traffic &&
    traffic.callsPerSecond >= ENOUGH_CALLS_PER_SECOND &&
    traffic.errorPercent >= FAILING_PERCENT
  ) {
    return verdict(
      false,
      'TrafficFailing',
      `${Math.round(traffic.errorPercent)} % of the gateway's calls to it fail`,
    );
  }
  return verdict(true, 'Serving', 'the gateway uses it');
}
