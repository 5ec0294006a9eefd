import Bull from 'bull';
import { startTestCluster } from '../../controllers/testing/cluster.ts';
import { startControllerProcess } from '../../controllers/testing/controller-process.ts';
import { freePort } from '../stack/parts/free-port.ts';

const NAMESPACE = 'rejuve';
const POOL = 'rpc-reads';

/** A real API server with a pool, and the real controller scaling it from a real queue, for its metrics. */
export interface ControllerWorld {
  /** Base URL of the controller. */
  readonly url: string;
  /** Puts jobs into the pool's queue; the controller scales for them. */
  enqueue(jobs: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startControllerWorld(redisUrl: string): Promise<ControllerWorld> {
  const cluster = await startTestCluster();
  await cluster.namespace(NAMESPACE);
  await cluster.deployment(NAMESPACE, 'workers', 1);
  await cluster.markReady(NAMESPACE, 'workers', 1);
  await cluster.pool(NAMESPACE, POOL, { queue: { name: POOL } });
  // Named apart from the queues of the platform, which use the same Redis.
  const queue = new Bull(POOL, redisUrl);
  const port = await freePort();
  const controller = startControllerProcess({
    name: 'controller-0',
    kubeconfig: cluster.plane.kubeconfigFor({ name: 'controller', groups: ['system:masters'] }),
    redisUrl,
    env: { PORT: String(port), HOST: '127.0.0.1', LEASE_NAMESPACE: NAMESPACE },
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async enqueue(jobs) {
      await queue.addBulk(Array.from({ length: jobs }, (_, index) => ({ data: { index } })));
    },
    async stop() {
      await controller.stop();
      await queue.close();
      await cluster.stop();
    },
  };
}
