import { describeFailures } from '../load/run-load.ts';
import type { BenchScenario } from '../scenario.ts';
import { sleep } from '../stage.ts';

const BATCH = 100;
const MEGABYTE = 1_048_576;
/** The heap it has to live within: the default cache of 128 MB, and as much again for everything else. */
const HEAP_MB = 320;

/** A million questions that nobody asked before: the cache must be bounded, and so must everything else. */
export const memory: BenchScenario = {
  name: 'memory',
  title: 'Memory after a million distinct keys',
  async run(stage, { quick }) {
    const keys = quick ? 100_000 : 1_000_000;
    const [upstream] = await stage.upstreams(1);
    if (upstream === undefined) return [];
    // V8 collects late where it may grow to gigabytes, so resident memory says little: what must hold is a bound.
    const gateway = await stage.gateway([upstream], { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` });
    await stage.load({
      url: gateway.url,
      mix: { kind: 'batch', size: BATCH, of: { kind: 'unique', seed: 1 } },
      connections: 8,
      durationMs: 60_000,
      maxRequests: 100,
    });
    await sleep(1_000);
    const before = gateway.usage().residentBytes;
    const result = await stage.load({
      url: gateway.url,
      mix: { kind: 'batch', size: BATCH, of: { kind: 'unique', seed: 2 } },
      connections: 16,
      durationMs: 240_000,
      maxRequests: keys / BATCH,
      drainMs: 30_000,
    });
    await sleep(2_000);
    const after = gateway.usage().residentBytes;
    return [
      { name: 'distinct keys', unit: 'count', value: result.calls },
      { name: 'memory before', unit: 'MB', value: before / MEGABYTE },
      { name: 'memory after', unit: 'MB', value: after / MEGABYTE, aim: { max: 512 } },
      { name: 'growth per key', unit: 'bytes/key', value: (after - before) / Math.max(1, result.calls) },
      {
        name: 'errors',
        unit: 'count',
        value: result.failed,
        aim: { max: 0 },
        note: describeFailures(result).join(', '),
      },
    ];
  },
};
