import type { Figure } from '../figure.ts';
import type { CallMix } from '../load/calls.ts';
import type { BenchScenario } from '../scenario.ts';

interface Case {
  readonly name: string;
  readonly aim: number;
  readonly peer: number;
  mix(salt: number, finalizedHeight: number): CallMix;
}

/** CPU of the gateway process per call, in microseconds: what one core carries is 10^6 divided by it. */
const CASES: readonly Case[] = [
  {
    name: 'cached',
    aim: 100,
    peer: 301,
    mix: (_salt, finalizedHeight) => ({ kind: 'cached', keys: 100, finalizedHeight }),
  },
  { name: 'uncached', aim: 250, peer: 439, mix: (salt) => ({ kind: 'unique', seed: salt }) },
  {
    name: 'batch of 20, uncached',
    aim: 40,
    peer: 57,
    mix: (salt) => ({ kind: 'batch', size: 20, of: { kind: 'unique', seed: salt } }),
  },
  {
    name: 'batch of 20, cached',
    aim: 40,
    peer: 57,
    mix: (_salt, finalizedHeight) => ({
      kind: 'batch',
      size: 20,
      of: { kind: 'cached', keys: 100, finalizedHeight },
    }),
  },
];

/** The most the gateway carries, and what each call costs it. */
export const throughput: BenchScenario = {
  name: 'throughput',
  title: 'Maximum throughput and CPU per call',
  async run(stage, { quick }) {
    const [upstream] = await stage.upstreams(1);
    if (upstream === undefined) return [];
    const gateway = await stage.gateway([upstream]);
    const finalizedHeight = (await upstream.head()) - 200;
    const figures: Figure[] = [];
    const shape = { connections: 64, durationMs: quick ? 4_000 : 10_000 };
    // Compiling the hot path is not what is asked.
    await stage.load({
      ...shape,
      url: gateway.url,
      mix: { kind: 'unique', seed: 1 },
      durationMs: quick ? 2_000 : 5_000,
    });
    let salt = 100;
    for (const { name, aim, peer, mix } of CASES) {
      salt += 2;
      const direct = await stage.load({ ...shape, url: upstream.url, mix: mix(salt, finalizedHeight) });
      const { result, microseconds } = await stage.cpuPerCall(gateway, () =>
        stage.load({ ...shape, url: gateway.url, mix: mix(salt + 1, finalizedHeight) }),
      );
      figures.push(
        { name: `${name}: CPU`, unit: 'µs/call', value: microseconds, aim: { max: aim }, peer },
        {
          name: `${name}: throughput`,
          unit: 'calls/s',
          value: (result.calls / result.durationMs) * 1_000,
          direct: (direct.calls / direct.durationMs) * 1_000,
          note: `upstream and load share the cores; errors ${result.failed}`,
        },
      );
    }
    return figures;
  },
};
