import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/time.ts';
import { createSyntheticChain, type SyntheticChain } from '../../tools/simulator/chain/synthetic-chain.ts';
import type { FaultInput } from '../../tools/simulator/faults.ts';
import { type Simulator, startSimulator } from '../../tools/simulator/simulator.ts';
import { type ReadGateway, startReadGateway } from './testing/start-read-gateway.ts';

/** Every fault a provider can have, as bad as it gets: on every call unless it says otherwise. */
const FAULTS: Readonly<Record<string, FaultInput[]>> = {
  'slow answers': [{ type: 'latency', ms: 400, jitterMs: 300 }],
  'some very slow answers': [{ type: 'latency', ms: 2_000, probability: 0.1 }],
  'server errors': [{ type: 'error', code: -32603, message: 'internal error' }],
  'a third of calls fail': [{ type: 'http-error', status: 503, probability: 0.33 }],
  'HTML from a proxy': [{ type: 'http-error', status: 502 }],
  '429 with Retry-After': [{ type: 'too-many-requests', retryAfter: 2 }],
  '429 with a date': [{ type: 'too-many-requests', retryAfter: 'Wed, 21 Oct 2026 07:28:00 GMT' }],
  '429 without Retry-After': [{ type: 'too-many-requests' }],
  '429 inside HTTP 200': [{ type: 'too-many-requests-in-body' }],
  '-32005 inside HTTP 200': [{ type: 'too-many-requests-in-body', code: -32005, probability: 0.5 }],
  timeouts: [{ type: 'timeout' }],
  resets: [{ type: 'reset' }],
  'resets in mid-body': [{ type: 'reset', when: 'mid-body', probability: 0.5 }],
  'truncated JSON': [{ type: 'truncated' }],
  'slow drip': [{ type: 'slow-drip', chunkBytes: 20, intervalMs: 100 }],
  'a lagging node': [{ type: 'block-lag', blocks: 12 }],
  'a slightly lagging node': [{ type: 'block-lag', blocks: 2 }],
  'a frozen node': [{ type: 'frozen-head' }],
  'wrong-empty answers': [
    { type: 'wrong-empty', methods: ['eth_getBlock*', 'eth_getTransaction*', 'eth_getLogs'] },
  ],
  'a shallow fork': [{ type: 'fork', depth: 1 }],
  'a deep fork': [{ type: 'fork', depth: 64 }],
  'another chain': [{ type: 'wrong-chain-id' }],
  'no batches': [{ type: 'batch-limit', maxCalls: 1 }],
  'a rate limit': [{ type: 'rate-limit', callsPerSecond: 5, shape: 'body' }],
};
/** Where one provider is wrong and one is right, nothing can tell which: these need a majority. */
const NEEDS_MAJORITY = /fork/;

const HEIGHT = 300;
const HEAD_POLL_MS = 200;
/** Pairs tried at the same time: most of them wait for a slow provider. */
const PAIRS_AT_ONCE = 6;

interface Answer {
  id: number;
  result?: unknown;
  error?: { code: number; message: string };
}

/** A chain, providers on it and a gateway over them; used once. */
interface World {
  readonly chain: SyntheticChain;
  readonly providers: readonly Simulator[];
  readonly gateway: ReadGateway;
  stop(): Promise<void>;
}

async function createWorld(count: number): Promise<World> {
  const chain = createSyntheticChain({ clock: systemClock, blockTimeMs: 0, startHeight: HEIGHT });
  const providers = await Promise.all(
    Array.from({ length: count }, (_, seed) => startSimulator({ chain, seed: seed + 1 })),
  );
  const gateway = await startReadGateway({
    chainId: 31_337,
    providers: providers.map(({ url }) => ({ url, attemptTimeoutMs: 1_000 })),
    options: { headPollMs: HEAD_POLL_MS },
  });
  return {
    chain,
    providers,
    gateway,
    async stop() {
      await gateway.stop();
      await Promise.all(providers.map((provider) => provider.stop()));
    },
  };
}

async function withWorld<T>(count: number, use: (world: World) => Promise<T>): Promise<T> {
  const world = await createWorld(count);
  try {
    return await use(world);
  } finally {
    await world.stop();
  }
}

/** Strikes the providers that the gateway likes best: a fault of one that gets no traffic proves nothing. */
async function strikeFavourites(world: World, ...faults: (readonly FaultInput[])[]): Promise<Simulator[]> {
  const ranked = world.gateway.path.pool.ranking().map(({ provider }) => provider.config.url);
  const struck = faults.map((list, rank) => {
    const favourite = world.providers.find(({ url }) => url === ranked[rank]) as Simulator;
    favourite.faults.set(list);
    return favourite;
  });
  // A provider that falls behind or changes its mind about the past is found out by the next look at its head.
  const astray = struck.filter((_, index) =>
    faults[index]?.some((fault) => fault.type === 'fork' || (fault.type === 'block-lag' && fault.blocks > 5)),
  );
  for (let polls = 0; astray.length > 0 && polls < 20; polls += 1) {
    const ranking = world.gateway.path.pool.ranking();
    const noticed = astray.every(({ url }) =>
      ranking.some(({ provider, excluded }) => provider.config.url === url && excluded !== undefined),
    );
    if (noticed) break;
    await systemClock.sleep(HEAD_POLL_MS);
  }
  return struck;
}

/** What an honest node would answer, from the chain itself. */
function truth(
  chain: SyntheticChain,
  recent: number,
): { method: string; params: unknown[]; expected: unknown }[] {
  const view = chain.view();
  const hex = (height: number): string => `0x${height.toString(16)}`;
  const [, transaction] = view.transactions(recent);
  const anything = expect.stringMatching(/^0x/);
  const fresh = `0x${Math.floor(Math.random() * 1e15)
    .toString(16)
    .padStart(40, '0')}`;
  return [
    { method: 'eth_getBlockByNumber', params: [hex(recent), false], expected: view.block(recent, false) },
    {
      method: 'eth_getBlockByHash',
      params: [view.hashAt(recent), false],
      expected: view.block(recent, false),
    },
    { method: 'eth_getTransactionByHash', params: [transaction?.hash], expected: transaction },
    {
      method: 'eth_getLogs',
      params: [{ fromBlock: hex(recent), toBlock: hex(recent) }],
      expected: view.logs(recent),
    },
    {
      method: 'eth_getTransactionReceipt',
      params: [transaction?.hash],
      expected: expect.objectContaining({ blockHash: view.hashAt(recent) }),
    },
    { method: 'eth_getBalance', params: [`0x${'1'.repeat(40)}`, hex(recent)], expected: anything },
    { method: 'eth_getStorageAt', params: [fresh, '0x0', 'latest'], expected: anything },
    { method: 'eth_chainId', params: [], expected: '0x7a69' },
  ];
}

/**
 * Blocks go on, callers go on: single calls and batches, some again and some new. Resolves to what was wrong, with
 * how often.
 */
async function exercise({ chain, gateway }: World, rounds: number): Promise<Record<string, number>> {
  const wrong: Record<string, number> = {};
  let lastSeen = 0;
  const note = (what: string): void => {
    wrong[what] = (wrong[what] ?? 0) + 1;
  };
  async function post(body: unknown): Promise<unknown> {
    const signal = AbortSignal.timeout(12_000);
    const response = await fetch(gateway.url, { method: 'POST', body: JSON.stringify(body), signal });
    return response.json();
  }
  /** The height that `latest` means to clients just now; it must never go back, and never be ahead of the chain. */
  async function servedHead(): Promise<number> {
    const { result, error } = (await post({ jsonrpc: '2.0', id: 1, method: 'eth_blockNumber' })) as Answer;
    if (error !== undefined) note(`eth_blockNumber: ${error.code} ${error.message}`);
    const height = Number(result ?? lastSeen);
    if (height < lastSeen) note('the head went back');
    if (height > chain.head()) note('the head is ahead of the chain');
    lastSeen = height;
    return height;
  }
  for (let round = 0; round < rounds; round += 1) {
    chain.mine(1);
    const questions = truth(chain, (await servedHead()) - 1);
    const check = (answer: Answer, { method, expected }: { method: string; expected: unknown }): void => {
      if (answer.error !== undefined) note(`${method}: ${answer.error.code} ${answer.error.message}`);
      else {
        try {
          expect(answer.result).toEqual(expected);
        } catch {
          note(`${method}: wrong answer ${JSON.stringify(answer.result)?.slice(0, 120)}`);
        }
      }
    };
    const requests = questions.map(({ method, params }, id) => ({ jsonrpc: '2.0', id, method, params }));
    const singles = questions.map(async (question, id) =>
      check((await post(requests[id])) as Answer, question),
    );
    const batch = post(requests).then((answers) => {
      for (const [index, question] of questions.entries())
        check((answers as Answer[])[index] as Answer, question);
    });
    await Promise.all([...singles, batch]);
  }
  return wrong;
}

describe('one of two providers', () => {
  it.each(Object.entries(FAULTS).filter(([name]) => !NEEDS_MAJORITY.test(name)))(
    'has %s: no client notices',
    (_name, faults) =>
      withWorld(2, async (world) => {
        const [struck] = await strikeFavourites(world, faults);
        expect(await exercise(world, 4)).toEqual({});
        expect(struck?.faults.list().some((fault) => fault.struck > 0)).toBe(true);
      }),
  );

  it('goes down and comes back in the middle of a burst: no client notices', () =>
    withWorld(2, async (world) => {
      const outage = (async () => {
        await world.providers[0]?.down();
        await systemClock.sleep(300);
        await world.providers[0]?.up();
      })();
      expect(await exercise(world, 8)).toEqual({});
      await outage;
    }));
});

describe('two of three providers', () => {
  const names = Object.keys(FAULTS);
  // Two lagging or forked nodes of three are the majority: what they serve is the truth then.
  const undecidable = (one: string, other: string): boolean =>
    [one, other].every((name) => /lagging|frozen|fork|another chain/.test(name));

  it.each(names)('one has %s: no client notices', (name) =>
    withWorld(3, async (world) => {
      await strikeFavourites(world, FAULTS[name] ?? []);
      expect(await exercise(world, 3)).toEqual({});
    }),
  );

  it.each(names.slice(0, -1))(
    'one has %s, another any other fault: no client notices',
    async (one) => {
      const others = names.slice(names.indexOf(one) + 1).filter((other) => !undecidable(one, other));
      const failed: Record<string, unknown> = {};
      const tryPairs = async (): Promise<void> => {
        for (let other = others.shift(); other !== undefined; other = others.shift()) {
          const wrong = await withWorld(3, async (world) => {
            await strikeFavourites(world, FAULTS[one] ?? [], FAULTS[other as string] ?? []);
            return exercise(world, 2);
          });
          if (Object.keys(wrong).length > 0) failed[other] = wrong;
        }
      };
      await Promise.all(Array.from({ length: PAIRS_AT_ONCE }, tryPairs));
      expect(failed).toEqual({});
    },
    60_000,
  );
});
