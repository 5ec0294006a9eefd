import { devAccount } from '../../../contracts/dev-accounts.ts';
import type { FaultInput } from '../../../tools/simulator/faults.ts';
import { type Simulator, startSimulator } from '../../../tools/simulator/simulator.ts';
import { startTestChain, type TestChain } from '../../../tools/testing/test-chain.ts';
import { type ReadGateway, startReadGateway } from './start-read-gateway.ts';

export interface ClientWorld {
  readonly chain: TestChain;
  /** Two views of the chain: the first is unreliable, the second honest. */
  readonly providers: readonly [Simulator, Simulator];
  readonly gateway: ReadGateway;
  readonly account: (index: number) => { address: `0x${string}`; privateKey: `0x${string}` };
  stop(): Promise<void>;
}

/** A provider as they are: some of its calls fail in one way or another. */
const EVERYDAY: FaultInput[] = [
  { type: 'latency', ms: 5, jitterMs: 5 },
  { type: 'http-error', status: 503, probability: 0.1 },
  { type: 'reset', probability: 0.05, transport: 'http' },
];

/** A real chain behind two simulated providers behind the gateway: what an unmodified client is pointed at. */
export async function startClientWorld(options: { blockTime?: number } = {}): Promise<ClientWorld> {
  const chain = await startTestChain(options.blockTime === undefined ? {} : { blockTime: options.blockTime });
  const upstream = { upstream: chain.url, upstreamWs: chain.wsUrl };
  const alpha = await startSimulator({ ...upstream, name: 'alpha', seed: 21, faults: EVERYDAY });
  const beta = await startSimulator({ ...upstream, name: 'beta', seed: 22 });
  const gateway = await startReadGateway({
    chainId: chain.chainId,
    providers: [alpha, beta].map(({ url, wsUrl }) => ({ url, wsUrl })),
  });
  return {
    chain,
    providers: [alpha, beta],
    gateway,
    account: devAccount,
    async stop() {
      await gateway.stop();
      await Promise.all([alpha.stop(), beta.stop()]);
      await chain.stop();
    },
  };
}
