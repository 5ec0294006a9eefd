import type { ChaosWorld, Fault } from './fault.ts';

const nothing = async (): Promise<void> => undefined;
/** What may suffer when a process of that service is away: its answers, their time, its metrics and documents. */
const REST = [3, 5, 6, 7] as const;

const ROLES = [
  ['gateway', [1, ...REST]],
  ['gateway-worker', [6]],
  ['gateway-indexer', [6]],
  ['api', REST],
  ['user', REST],
] as const;

/** A crash: the supervisor starts it again, as Kubernetes does. */
const kills: readonly Fault[] = ROLES.map(([role, tolerates]) => ({
  id: `kill-${role}`,
  title: `kill -9 of ${role}`,
  like: 'a crash, or the node it ran on is gone',
  tolerates,
  holdMs: 1_000,
  // A start reads its sources and connects; on two busy cores that takes many seconds.
  recoverWithinMs: 30_000,
  strike: async ({ control }: ChaosWorld) => void (await control.child(role, 'kill')),
  clear: nothing,
  ...(role === 'gateway-worker' ? { quick: true as const } : {}),
}));

/** Frozen: connections stay open and nobody answers, which is worse than a crash. */
const pauses: readonly Fault[] = ROLES.map(([role, tolerates]) => ({
  id: `pause-${role}`,
  title: `${role} is frozen`,
  like: 'a node that swaps, a stop of the world, a live migration',
  tolerates: role === 'gateway-indexer' || role === 'gateway-worker' ? [6] : tolerates,
  holdMs: 6_000,
  recoverWithinMs: 15_000,
  strike: async ({ control }: ChaosWorld) => void (await control.child(role, 'pause')),
  clear: async ({ control }: ChaosWorld) => void (await control.child(role, 'resume').catch(() => undefined)),
}));

const cut = (part: 'redis' | 'postgres', tolerates: Fault['tolerates']): Fault => ({
  id: `cut-${part}`,
  title: `${part === 'redis' ? 'Redis' : 'Postgres'} is away`,
  like: 'a failover that takes its time',
  tolerates,
  holdMs: 8_000,
  recoverWithinMs: 25_000,
  strike: async ({ control }) => void (await control.child(part, 'stop')),
  clear: async ({ control }) => void (await control.child(part, 'start')),
  ...(part === 'redis' ? { quick: true as const } : {}),
});

const providerDown = (names: readonly ('alpha' | 'beta')[], tolerates: Fault['tolerates']): Fault => ({
  id: names.length === 1 ? `cut-provider-${names[0]}` : 'cut-all-providers',
  title: names.length === 1 ? `provider ${names[0]} is away` : 'all providers are away',
  like: names.length === 1 ? 'an outage of one provider' : 'our own egress is closed, or a bad day',
  tolerates,
  holdMs: 8_000,
  recoverWithinMs: 20_000,
  strike: async ({ providers }) => void (await Promise.all(names.map((name) => providers[name].down()))),
  clear: async ({ providers }) => void (await Promise.all(names.map((name) => providers[name].up()))),
});

/** A fault of both providers by the simulator's own vocabulary. */
const onProviders = (
  id: string,
  title: string,
  like: string,
  tolerates: Fault['tolerates'],
  fault: { type: string; [field: string]: unknown },
): Fault => ({
  id,
  title,
  like,
  tolerates,
  holdMs: 8_000,
  recoverWithinMs: 20_000,
  strike: async ({ providers }) =>
    void (await Promise.all(Object.values(providers).map((p) => p.addFault({ id: 'chaos', ...fault })))),
  clear: async ({ providers }) =>
    void (await Promise.all(
      Object.values(providers).map((p) => p.removeFault('chaos').catch(() => undefined)),
    )),
});

const dependencies: readonly Fault[] = [
  // Limits are counted locally, caches are asked less: nobody may notice more than a few slow answers.
  cut('redis', [1, 3, 5, 6]),
  cut('postgres', [3, 5, 6]),
  providerDown(['alpha'], []),
  providerDown(['alpha', 'beta'], [1, 3, 5]),
  onProviders('slow-net', 'every provider takes 300 ms longer', 'a congested path, a far region', [1, 3], {
    type: 'latency',
    ms: 300,
    jitterMs: 100,
  }),
  onProviders('reset-net', 'one call in five is reset', 'a flapping load balancer of a provider', [1, 3], {
    type: 'reset',
    probability: 0.2,
  }),
  onProviders('provider-429', 'providers allow 20 calls a second', 'the plan is used up', [1, 3, 5], {
    type: 'rate-limit',
    callsPerSecond: 20,
    retryAfter: 1,
  }),
  {
    id: 'slow-disk',
    title: 'Postgres answers in fits and starts',
    like: 'a disk whose burst credit is used up',
    tolerates: [1, 3, 5, 6],
    holdMs: 0,
    recoverWithinMs: 20_000,
    async strike({ control, sleep }) {
      for (let round = 0; round < 16; round++) {
        await control.child('postgres', 'pause').catch(() => undefined);
        await sleep(300);
        await control.child('postgres', 'resume').catch(() => undefined);
        await sleep(200);
      }
    },
    clear: async ({ control }) => void (await control.child('postgres', 'resume').catch(() => undefined)),
  },
  {
    id: 'full-disk',
    title: 'Postgres refuses every write',
    like: 'a full disk: reads work, writes fail',
    tolerates: [3, 5, 6],
    holdMs: 8_000,
    recoverWithinMs: 20_000,
    async strike({ sql }) {
      await sql("alter system set default_transaction_read_only = 'on'");
      await sql('select pg_reload_conf()');
    },
    async clear({ sql }) {
      // The session that repairs must be allowed to write.
      await sql(
        "set default_transaction_read_only = 'off'; alter system reset default_transaction_read_only",
      );
      await sql('select pg_reload_conf()');
    },
  },
  {
    id: 'full-redis',
    title: 'Redis refuses every write',
    like: 'its memory is full and nothing may be evicted',
    tolerates: [1, 3, 5],
    holdMs: 8_000,
    recoverWithinMs: 20_000,
    strike: async ({ redis }) => void (await redis('CONFIG', 'SET', 'maxmemory', '1')),
    clear: async ({ redis }) => void (await redis('CONFIG', 'SET', 'maxmemory', '0')),
  },
];

const chain: readonly Fault[] = [
  {
    id: 'fill-queue',
    title: '60 transactions at once',
    like: 'a campaign pays everybody at noon',
    tolerates: [1, 3],
    holdMs: 0,
    recoverWithinMs: 30_000,
    strike: ({ burst }) => burst(60),
    clear: nothing,
  },
  {
    id: 'reorg',
    title: 'the last three blocks are replaced',
    like: 'a fork that lost',
    tolerates: [],
    holdMs: 1_000,
    recoverWithinMs: 20_000,
    strike: async ({ rpc }) => void (await rpc('anvil_reorg', [3, []])),
    clear: nothing,
    quick: true,
  },
  {
    id: 'stopped-chain',
    title: 'the chain makes no blocks',
    like: 'a halt of the network',
    tolerates: [],
    holdMs: 8_000,
    recoverWithinMs: 20_000,
    strike: async ({ rpc }) => void (await rpc('evm_setIntervalMining', [0])),
    clear: async ({ rpc }) => void (await rpc('evm_setIntervalMining', [2])),
  },
  {
    id: 'clock-skew',
    title: "the chain's clock jumps ten minutes ahead",
    like: 'clocks that disagree: blocks from the future',
    tolerates: [],
    holdMs: 6_000,
    recoverWithinMs: 20_000,
    strike: async ({ rpc }) => void (await rpc('evm_increaseTime', [600])),
    clear: nothing,
  },
  {
    id: 'poison-job',
    title: 'jobs that nobody can read',
    like: 'a producer of another version, or a hand in Redis',
    tolerates: [],
    holdMs: 4_000,
    recoverWithinMs: 15_000,
    async strike({ redis }) {
      const keys = (await redis('KEYS', '*:id')) as string[];
      // Bull keeps a counter `<prefix>:<queue>:id` for each queue; every one gets a job that is no job.
      for (const key of keys) {
        const queue = key.replace(/:id$/, '');
        await redis(
          'HSET',
          `${queue}:poison`,
          'name',
          '__default__',
          'data',
          '{"broken":',
          'opts',
          '{}',
          'timestamp',
          '0',
          'delay',
          '0',
          'priority',
          '0',
        );
        await redis('LPUSH', `${queue}:wait`, 'poison');
      }
    },
    clear: nothing,
  },
];

/** Every fault, the milder ones first: what one breaks must not be blamed on the next. */
export const CATALOGUE: readonly Fault[] = [...kills, ...pauses, ...dependencies, ...chain];
