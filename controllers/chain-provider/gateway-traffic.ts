import { lookup } from 'node:dns/promises';
import { request } from 'undici';
import type { Logger } from '../../lib/log.ts';
import type { Clock, Timer } from '../../lib/time.ts';
import type { Traffic } from './judge.ts';

/** What the gateway's processes count per provider; the words are those of its metrics. */
const SERIES = /^rpc_upstream_attempts_total\{([^}]*)\} ([0-9.e+]+)$/;
const LABEL = /(\w+)="([^"]*)"/g;
const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 3_000;
/** Rates are averaged over about this long. */
const SMOOTHING_SECONDS = 15;

export interface Counts {
  readonly total: number;
  readonly throttled: number;
  readonly failed: number;
}

/** Attempts per provider out of a Prometheus exposition. */
export function parseAttempts(text: string): Map<string, Counts> {
  const found = new Map<string, Counts>();
  for (const line of text.split('\n')) {
    const match = SERIES.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[1] as string).matchAll(LABEL)].map((m) => [m[1], m[2]]));
    const { provider, outcome } = labels;
    if (provider === undefined || outcome === undefined) continue;
    const value = Number(match[2]);
    const before = found.get(provider) ?? { total: 0, throttled: 0, failed: 0 };
    found.set(provider, {
      total: before.total + value,
      throttled: before.throttled + (THROTTLED.has(outcome) ? value : 0),
      failed: before.failed + (FAILED.has(outcome) ? value : 0),
    });
  }
  return found;
}

const THROTTLED = new Set(['rate-limited']);
const FAILED = new Set(['connect', 'reset', 'timeout', 'http', 'malformed', 'unauthorized', 'server']);

/** The gateway's view of real traffic, summed over all of its processes. */
export interface GatewayTraffic {
  start(): void;
  /** Undefined while nothing is known of the provider. */
  of(providerId: string): Traffic | undefined;
  stop(): void;
}

interface Rate {
  calls: number;
  throttled: number;
  failed: number;
}

/**
 * Scrapes the metrics of every gateway process. `url` may name a headless Service: every address it resolves to is
 * asked. A process that does not answer is left out; when none does, what was known fades after a minute.
 */
export function createGatewayTraffic(deps: { url: string; clock: Clock; log: Logger }): GatewayTraffic {
  const { url, clock, log } = deps;
  const last = new Map<string, { at: number; counts: Map<string, Counts> }>();
  let rates = new Map<string, Rate>();
  let heardAt = Number.NEGATIVE_INFINITY;
  let timer: Timer | undefined;
  let busy = false;

  async function scrape(): Promise<void> {
    const base = new URL(url);
    const addresses = await lookup(base.hostname, { all: true });
    const now = clock.monotonic();
    const sum = new Map<string, Rate>();
    let answered = 0;
    await Promise.all(
      addresses.map(async ({ address, family }) => {
        const target = new URL(base);
        target.hostname = family === 6 ? `[${address}]` : address;
        const response = await request(target, { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
        const counts = parseAttempts(await response.body.text());
        answered++;
        const before = last.get(address);
        last.set(address, { at: now, counts });
        if (!before) return;
        const seconds = (now - before.at) / 1000;
        for (const [provider, count] of counts) {
          const old = before.counts.get(provider) ?? { total: 0, throttled: 0, failed: 0 };
          // A restarted process counts from zero: its present count is what is new.
          const since = count.total >= old.total ? old : { total: 0, throttled: 0, failed: 0 };
          const rate = sum.get(provider) ?? { calls: 0, throttled: 0, failed: 0 };
          rate.calls += (count.total - since.total) / seconds;
          rate.throttled += (count.throttled - since.throttled) / seconds;
          rate.failed += (count.failed - since.failed) / seconds;
          sum.set(provider, rate);
        }
      }),
    ).catch((error: unknown) => log.debug({ err: error }, 'a gateway process did not show its metrics'));
    if (answered === 0) return;
    const weight = 1 - Math.exp(-INTERVAL_MS / 1000 / SMOOTHING_SECONDS);
    const next = new Map<string, Rate>();
    for (const [provider, rate] of sum) {
      const old = rates.get(provider) ?? rate;
      const blend = (a: number, b: number): number => a + (b - a) * weight;
      next.set(provider, {
        calls: blend(old.calls, rate.calls),
        throttled: blend(old.throttled, rate.throttled),
        failed: blend(old.failed, rate.failed),
      });
    }
    rates = next;
    heardAt = now;
  }

  return {
    start() {
      timer ??= clock.setInterval(() => {
        if (busy) return;
        busy = true;
        scrape()
          .catch((error: unknown) => log.debug({ err: error }, 'the gateway’s metrics could not be read'))
          .finally(() => {
            busy = false;
          });
      }, INTERVAL_MS);
    },
    of(providerId) {
      const rate = rates.get(providerId);
      if (!rate || clock.monotonic() - heardAt > 60_000) return undefined;
      const percent = (part: number): number => (rate.calls > 0 ? (part / rate.calls) * 100 : 0);
      return {
        callsPerSecond: rate.calls,
        throttledPercent: percent(rate.throttled),
        errorPercent: percent(rate.failed),
      };
    },
    stop: () => timer?.cancel(),
  };
}
