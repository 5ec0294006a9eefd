import type { BenchScenario } from '../scenario.ts';

/** Calls a second of each client: what a busy service sends. */
const PER_CLIENT = 10;
const CLIENTS = 64;

/** Does a client notice that sixty-three others are there? */
export const manyClients: BenchScenario = {
  name: 'many-clients',
  title: `${CLIENTS} clients against one, ${PER_CLIENT} calls/s each`,
  async run(stage, { quick }) {
    const upstreams = await stage.upstreams(2, { faults: [{ type: 'latency', ms: 10, jitterMs: 2 }] });
    const gateway = await stage.gateway(upstreams);
    const shape = { url: gateway.url, warmupMs: 2_000, durationMs: quick ? 6_000 : 15_000 };
    await stage.load({
      ...shape,
      mix: { kind: 'unique', seed: 1 },
      connections: CLIENTS,
      ratePerSecond: PER_CLIENT * CLIENTS,
    });
    const alone = await stage.load({
      ...shape,
      mix: { kind: 'unique', seed: 2 },
      connections: 1,
      ratePerSecond: PER_CLIENT,
    });
    const together = await stage.load({
      ...shape,
      mix: { kind: 'unique', seed: 3 },
      connections: CLIENTS,
      ratePerSecond: PER_CLIENT * CLIENTS,
    });
    return [
      { name: 'p95 alone', unit: 'ms', value: alone.latency.p95 },
      { name: `p95 with ${CLIENTS}`, unit: 'ms', value: together.latency.p95 },
      {
        name: 'p95 ratio',
        unit: 'ratio',
        value: together.latency.p95 / Math.max(0.001, alone.latency.p95),
        aim: { max: 1.5 },
      },
      { name: 'errors', unit: 'count', value: together.failed + alone.failed, aim: { max: 0 } },
    ];
  },
};
