import { createLogger } from '../../../lib/log.ts';
import { createMetrics } from '../../../lib/metrics.ts';
import { createSeededRandom, type Random } from '../../../lib/random.ts';
import { createManualClock, type ManualClock } from '../../../lib/time.ts';
import { type Principal, unlimitedPrincipal } from '../admission/principal.ts';
import type { SharedCache } from '../cache/shared-cache.ts';
import { type ProviderConfig, providerFromUrl } from '../providers/provider-config.ts';
import { createReadPath, type ReadPath, type ReadPathOptions } from '../read-path.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import { MULTICALL3_ADDRESS } from '../rpc/multicall.ts';
import { createVirtualChain, type VirtualChain } from './virtual-chain.ts';
import { createVirtualUpstream, type VirtualUpstream } from './virtual-upstream.ts';

/** A gateway in virtual time: the production read path with only clock, chance and wire replaced. */
export interface VirtualGateway {
  readonly clock: ManualClock;
  readonly random: Random;
  readonly chain: VirtualChain;
  readonly upstreams: readonly VirtualUpstream[];
  readonly path: ReadPath;
  /** Calls through the JSON-RPC front door. */
  call(
    method: string,
    params: readonly unknown[],
    timeoutMs?: number,
    as?: { readonly principal: Principal; readonly priority: RpcPriority },
  ): Promise<VirtualAnswer>;
  close(): Promise<void>;
}

export interface VirtualAnswer {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
  readonly cache: string;
  readonly provider: string | undefined;
  readonly attempts: number;
}

const SIMULATION = unlimitedPrincipal('anonymous', 'simulation');
export const VIRTUAL_CHAIN_ID = 31337;

export async function createVirtualGateway(
  options: {
    seed?: number;
    providers?: readonly Partial<ProviderConfig>[];
    blockTimeMs?: number;
    latencyMs?: number;
    jitterMs?: number;
    logLevel?: string;
    shared?: SharedCache;
  } & Partial<Omit<ReadPathOptions, 'providers'>> = {},
): Promise<VirtualGateway> {
  const { providers, seed, blockTimeMs, latencyMs, jitterMs, logLevel, shared, ...overrides } = options;
  const clock = createManualClock();
  const random = createSeededRandom(seed ?? 1, clock);
  const chain = createVirtualChain({ chainId: VIRTUAL_CHAIN_ID, now: () => clock.monotonic() });
  const configs = (providers ?? [{}, {}, {}]).map((given, index) => ({
    ...providerFromUrl(`p${index + 1}`, `http://p${index + 1}.test`),
    ...given,
  }));
  const upstreams = configs.map(() =>
    createVirtualUpstream({
      chain,
      clock,
      random,
      latencyMs: latencyMs ?? 10,
      jitterMs: jitterMs ?? 10,
    }),
  );
  const path = createReadPath({
    options: {
      chainId: VIRTUAL_CHAIN_ID,
      providers: configs,
      callTimeoutMs: 10_000,
      headPollMs: 500,
      maxLagBlocks: 5,
      headFloorMaxAgeMs: 30_000,
      cacheBytes: 16 * 1024 * 1024,
      maxBatch: 1_000,
      hedging: true,
      queueMaxWaitMs: 200,
      explainCapacity: 0,
      multicall: { mode: 'off', address: MULTICALL3_ADDRESS },
      extraMethods: [],
      version: 'virtual',
      ...overrides,
    },
    ...(shared === undefined ? {} : { shared }),
    clock,
    random,
    log: createLogger({ service: 'virtual', level: logLevel ?? 'silent' }),
    metrics: createMetrics({ service: 'virtual', processMetrics: false }),
    transport: (config) => upstreams[configs.findIndex(({ id }) => id === config.id)] as VirtualUpstream,
    defer: (fn) => void clock.setTimeout(fn, 0),
  });
  const mining =
    (blockTimeMs ?? 2_000) > 0 ? clock.setInterval(() => chain.mine(), blockTimeMs ?? 2_000) : undefined;
  const started = path.start(3_000);
  await clock.advance(100);
  await started;

  let requests = 0;
  return {
    clock,
    random,
    chain,
    upstreams,
    path,
    async call(method, params, timeoutMs = 10_000, as = { principal: SIMULATION, priority: 'standard' }) {
      const reply = await path.door.handle(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), {
        requestId: `request-${++requests}`,
        ...as,
        timeoutMs,
      });
      const call = reply.calls[0];
      const parsed = JSON.parse(reply.body ?? 'null') as {
        result?: unknown;
        error?: { code: number; message: string };
      };
      return { ...parsed, cache: call?.cache ?? '', provider: call?.provider, attempts: call?.attempts ?? 0 };
    },
    async close() {
      mining?.cancel();
      await path.close();
    },
  };
}
