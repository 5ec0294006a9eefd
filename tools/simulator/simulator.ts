import { createSeededRandom, type Random } from '../../lib/random.ts';
import { type Clock, systemClock } from '../../lib/time.ts';
import type { Backend, RpcCall } from './backend.ts';
import { createSyntheticBackend } from './chain/synthetic-backend.ts';
import {
  createSyntheticChain,
  type SyntheticChain,
  type SyntheticChainOptions,
} from './chain/synthetic-chain.ts';
import { startControlServer } from './control-server.ts';
import { createFaultEngine, type FaultEngine } from './fault-engine.ts';
import type { FaultInput } from './faults.ts';
import { createProxyBackend } from './proxy-backend.ts';
import { startRpcServer } from './rpc-server.ts';
import { createScenarioRunner, type Scenario, type ScenarioRunner } from './scenario.ts';
import { createStats, type Stats } from './stats.ts';
import { createUpstream } from './upstream.ts';
import { serveWebSocket } from './ws-connection.ts';

export interface SimulatorOptions {
  readonly name?: string;
  readonly host?: string;
  /** 0 (default): a free port. */
  readonly port?: number;
  readonly controlPort?: number;
  /** URL of a real node to stand in front of. Without it, the synthetic chain answers. */
  readonly upstream?: string;
  readonly upstreamWs?: string;
  /** A chain shared by several simulators of one process; made from `synthetic` when absent. */
  readonly chain?: SyntheticChain;
  readonly synthetic?: Omit<SyntheticChainOptions, 'clock'>;
  /** The synthetic chain has Multicall3. Default false. */
  readonly multicall3?: boolean;
  readonly faults?: readonly FaultInput[];
  readonly scenario?: Scenario;
  /** Keep the last thousand calls with their parameters (`/control/calls`). Default true. */
  readonly record?: boolean;
  readonly clock?: Clock;
  /** Every roll of the dice comes from it. Default: seeded with `seed`. */
  readonly random?: Random;
  readonly seed?: number;
}

export interface Simulator {
  readonly name: string;
  readonly url: string;
  readonly wsUrl: string;
  readonly controlUrl: string;
  readonly faults: FaultEngine;
  readonly stats: Stats;
  readonly scenario: ScenarioRunner;
  /** Undefined in front of a real node. */
  readonly chain: SyntheticChain | undefined;
  /** Closes the RPC port and resets its connections; the control API stays. */
  down(): Promise<void>;
  up(): Promise<void>;
  isUp(): boolean;
  mine(blocks?: number): Promise<void>;
  reorg(depth: number): Promise<void>;
  stop(): Promise<void>;
}

async function anvil(backend: Backend, call: RpcCall): Promise<void> {
  const outcome = await backend.call(call, undefined, AbortSignal.timeout(10_000));
  if ('error' in outcome) throw new Error(`${call.method}: ${outcome.error.message}`);
}

/** Starts one fault-injecting upstream. Rejects when a port is taken. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { name = 'simulator', host = '127.0.0.1', clock = systemClock, seed = 1 } = options;
  const random = options.random ?? createSeededRandom(seed);
  const chain =
    options.upstream === undefined
      ? (options.chain ?? createSyntheticChain({ ...options.synthetic, clock }))
      : undefined;
  const backend =
    chain === undefined
      ? createProxyBackend({
          upstream: options.upstream as string,
          ...(options.upstreamWs === undefined ? {} : { upstreamWs: options.upstreamWs }),
        })
      : createSyntheticBackend({ chain, multicall3: options.multicall3 ?? false });

  const faults = createFaultEngine({ clock, random });
  if (options.faults !== undefined) faults.set(options.faults);
  const stats = createStats({ clock, record: options.record ?? true });
  const upstream = createUpstream({ backend, faults, stats, clock, random });
  let subscriptions = 0;
  const newId = (): string => {
    subscriptions += 1;
    return `0x${subscriptions.toString(16).padStart(8, '0')}${Math.floor(random.float() * 0xffffffff)
      .toString(16)
      .padStart(8, '0')}`;
  };
  const rpc = await startRpcServer({
    host,
    port: options.port ?? 0,
    upstream,
    stats,
    clock,
    onWebSocket: (socket) => serveWebSocket(socket, { upstream, backend, faults, stats, clock, newId }),
  });

  async function mine(blocks = 1): Promise<void> {
    if (chain === undefined)
      await anvil(backend, { method: 'anvil_mine', params: [`0x${blocks.toString(16)}`] });
    else chain.mine(blocks);
  }
  async function reorg(depth: number): Promise<void> {
    if (chain === undefined) await anvil(backend, { method: 'anvil_reorg', params: [depth, []] });
    else chain.reorg(depth);
  }

  const scenario = createScenarioRunner({
    clock,
    target: {
      setFaults: (list) => faults.set(list as FaultInput[]),
      addFaults: (list) => faults.add(list as FaultInput[]),
      removeFaults: (ids) => faults.remove(ids),
      clearFaults: () => faults.clear(),
      down: () => rpc.down(),
      up: () => rpc.up(),
      mine,
      reorg,
    },
  });
  if (options.scenario !== undefined) scenario.start(options.scenario);

  let control: Awaited<ReturnType<typeof startControlServer>>;
  try {
    control = await startControlServer({
      host,
      port: options.controlPort ?? 0,
      faults,
      stats,
      scenario,
      actions: {
        down: () => rpc.down(),
        up: () => rpc.up(),
        isUp: () => rpc.isUp(),
        mine,
        reorg,
        describe: () => ({
          name,
          rpc: `http://${host}:${rpc.port}`,
          source:
            chain === undefined
              ? { upstream: options.upstream }
              : { synthetic: { chainId: chain.chainId, head: chain.head() } },
        }),
      },
    });
  } catch (error) {
    await rpc.down();
    await backend.close();
    throw error;
  }

  return {
    name,
    url: `http://${host}:${rpc.port}`,
    wsUrl: `ws://${host}:${rpc.port}`,
    controlUrl: `http://${host}:${control.port}`,
    faults,
    stats,
    scenario,
    chain,
    down: () => rpc.down(),
    up: () => rpc.up(),
    isUp: () => rpc.isUp(),
    mine,
    reorg,
    async stop() {
      scenario.stop();
      await rpc.down();
      await control.close();
      // A chain handed in belongs to the caller: others may still stand on it.
      if (options.chain === undefined) await backend.close();
    },
  };
}
