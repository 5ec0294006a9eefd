import { describeFailures } from '../load/run-load.ts';
import type { BenchScenario } from '../scenario.ts';
import { sleep } from '../stage.ts';
import { busyProvider } from './callers.ts';

const PROVIDERS = 2;
const SLOTS = 15;
const SERVICE_MS = 100;
const CAPACITY = (PROVIDERS * SLOTS * 1_000) / SERVICE_MS;
const TIMES = 10;
const SLICE_MS = 100;
const MEGABYTE = 1_048_576;

/** Ten times as much as providers can do, and then half of it. */
export const overload: BenchScenario = {
  name: 'overload',
  title: `Providers that do ${CAPACITY} calls/s, offered ${TIMES} times that`,
  async run(stage, { quick }) {
    const durationMs = quick ? 10_000 : 30_000;
    const upstreams = await stage.upstreams(PROVIDERS, { faults: busyProvider(SLOTS, SERVICE_MS) });
    const gateway = await stage.gateway(upstreams);
    const shape = { url: gateway.url, connections: 512 } as const;
    await stage.load({
      ...shape,
      ratePerSecond: CAPACITY / 2,
      durationMs: 3_000,
      mix: { kind: 'unique', seed: 1 },
    });
    const flood = stage.load({
      ...shape,
      ratePerSecond: CAPACITY * TIMES,
      durationMs,
      warmupMs: 2_000,
      mix: { kind: 'unique', seed: 2 },
    });
    await sleep(2_000 + durationMs * 0.2);
    const early = gateway.usage().residentBytes / MEGABYTE;
    await sleep(durationMs * 0.7);
    const late = gateway.usage().residentBytes / MEGABYTE;
    const during = await flood;
    const after = await stage.load({
      ...shape,
      ratePerSecond: CAPACITY / 2,
      durationMs: 5_000,
      sliceMs: SLICE_MS,
      mix: { kind: 'unique', seed: 3 },
    });
    const usual = SERVICE_MS * 1.5;
    const lastBad = after.slices.findLastIndex(({ failed, p50 }) => failed > 0 || p50 > usual);
    return [
      {
        name: 'goodput of capacity',
        unit: '%',
        value: (during.ok * 100_000) / durationMs / CAPACITY,
        aim: { min: 90 },
        note: `${during.ok} answered; ${describeFailures(during).join(', ')}`,
      },
      { name: 'p99 of answers', unit: 'ms', value: during.latency.p99 },
      {
        name: 'refused after (p50)',
        unit: 'ms',
        value: during.failedLatency.p50,
      },
      {
        name: 'refused after (p99)',
        unit: 'ms',
        value: during.failedLatency.p99,
        aim: { max: 10 },
        note: `load process late by ${during.lateness.p99.toFixed(1)} ms (p99)`,
      },
      {
        name: 'memory at the end of it',
        unit: 'MB',
        value: late,
        aim: { max: early * 1.15 + 20 },
        note: `${early.toFixed(0)} MB at its start`,
      },
      {
        name: 'settled after the end',
        unit: 's',
        value: ((lastBad + 1) * SLICE_MS) / 1_000,
        aim: { max: 2 },
      },
    ];
  },
};
