import type { Figure } from '../figure.ts';
import type { BenchScenario } from '../scenario.ts';
import { busyProvider, CALLERS_ENV, callerHeaders } from './callers.ts';

const PROVIDERS = 2;
const SLOTS = 20;
const SERVICE_MS = 50;
/** Calls a second that the providers do together. */
const CAPACITY = (PROVIDERS * SLOTS * 1_000) / SERVICE_MS;
const QUIET = 40;
const NOISE = 50;
/** The noise is there before anything is measured. */
const LEAD_MS = 4_000;

/** Somebody who offers fifty times as much, or a batch at saturation, beside a client that behaves. */
export const fairness: BenchScenario = {
  name: 'fairness',
  title: `One client with ${QUIET} calls/s beside another with ${NOISE} times as much; providers do ${CAPACITY} calls/s`,
  async run(stage, { quick }) {
    const figures: Figure[] = [];
    const durationMs = quick ? 10_000 : 30_000;
    const upstreams = await stage.upstreams(PROVIDERS, { faults: busyProvider(SLOTS, SERVICE_MS) });
    const gateway = await stage.gateway(upstreams, CALLERS_ENV);
    let seed = 0;
    const measure = async (
      priority: 'standard' | 'interactive',
      noise: 'standard' | 'background' | undefined,
    ) => {
      const quiet = {
        url: gateway.url,
        headers: await callerHeaders('api', priority),
        ratePerSecond: QUIET,
        connections: 64,
        durationMs,
        warmupMs: LEAD_MS,
        mix: { kind: 'unique', seed: ++seed },
      } as const;
      if (noise === undefined) return { quiet: await stage.load(quiet) };
      const [calm, loud] = await Promise.all([
        stage.load(quiet),
        stage.load({
          ...quiet,
          headers: await callerHeaders('user', noise),
          ratePerSecond: QUIET * NOISE,
          connections: 512,
          mix: { kind: 'unique', seed: ++seed },
        }),
      ]);
      return { quiet: calm, loud };
    };
    for (const [name, priority, noise] of [
      ['noisy neighbour', 'standard', 'standard'],
      ['background at saturation', 'interactive', 'background'],
    ] as const) {
      const alone = (await measure(priority, undefined)).quiet;
      const { quiet, loud } = await measure(priority, noise);
      figures.push(
        {
          name: `${name}: p99 of the quiet one`,
          unit: 'ms',
          value: quiet.latency.p99,
          note: `alone ${alone.latency.p99.toFixed(1)} ms; p50 ${quiet.latency.p50.toFixed(1)} beside ${alone.latency.p50.toFixed(1)} ms`,
        },
        {
          name: `${name}: change of its p99`,
          unit: '%',
          value: (quiet.latency.p99 / alone.latency.p99 - 1) * 100,
          aim: { max: 20 },
        },
        { name: `${name}: its calls that failed`, unit: 'count', value: quiet.failed, aim: { max: 0 } },
        {
          name: `${name}: goodput of capacity`,
          unit: '%',
          value: ((quiet.ok + (loud?.ok ?? 0)) * 100_000) / durationMs / CAPACITY,
          aim: { min: 90 },
          note: `${loud?.ok ?? 0} answered, ${loud?.failed ?? 0} refused of the other`,
        },
      );
    }
    return figures;
  },
};
