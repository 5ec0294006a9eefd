import { describeFailures } from '../load/run-load.ts';
import type { BenchScenario } from '../scenario.ts';

const CONCURRENT = 2_000;
/** Long enough that every call is waiting before the first is answered. */
const UPSTREAM_MS = 400;

/** Two thousand callers ask the same at the same moment. */
export const identicalCalls: BenchScenario = {
  name: 'identical-calls',
  title: `${CONCURRENT} identical calls at once`,
  async run(stage) {
    const [upstream] = await stage.upstreams(1);
    if (upstream === undefined) return [];
    const gateway = await stage.gateway([upstream]);
    // Connections are opened on first use, so the crowd comes twice: once to open them, once to be measured.
    const job = { url: gateway.url, connections: CONCURRENT, durationMs: 20_000, maxRequests: CONCURRENT };
    await upstream.setFaults([{ type: 'latency', ms: UPSTREAM_MS, methods: ['eth_getBalance'] }]);
    await upstream.resetStats();
    const result = await stage.load({ ...job, mix: { kind: 'identical', seed: 77 } });
    const { byMethod } = await upstream.stats();
    return [
      {
        name: 'upstream calls',
        unit: 'count',
        value: byMethod.eth_getBalance ?? 0,
        aim: { max: 1 },
        peer: 2,
        note: 'a new block during the run may add one: another question then',
      },
      {
        name: 'errors',
        unit: 'count',
        value: result.failed,
        aim: { max: 0 },
        note: describeFailures(result).join(', '),
      },
      { name: 'slowest answer', unit: 'ms', value: result.latency.max, direct: UPSTREAM_MS },
    ];
  },
};
