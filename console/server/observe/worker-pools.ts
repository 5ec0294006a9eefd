import { KubeConfig } from '@kubernetes/client-node';
import { Agent, request } from 'undici';
import { z } from 'zod';

/** The group and version of our custom resources; controllers/api.ts states them for the controller. */
const API = '/apis/chain.rejuve.io/v1alpha1';
const TIMEOUT_MS = 4_000;

const conditionSchema = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
});

const poolSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string(), namespace: z.string().default('') }),
  spec: z.looseObject({
    minReplicas: z.number().default(0),
    maxReplicas: z.number(),
    mode: z.string().optional(),
    queue: z.looseObject({ name: z.string() }),
  }),
  status: z
    .looseObject({
      replicas: z.number().optional(),
      readyReplicas: z.number().optional(),
      desiredReplicas: z.number().optional(),
      backlog: z.number().optional(),
      oldestJobAge: z.string().optional(),
      lastScaleTime: z.string().optional(),
      conditions: z.array(conditionSchema).default([]),
      decision: z
        .looseObject({
          time: z.string(),
          replicas: z.number(),
          from: z.number(),
          action: z.string(),
          summary: z.string(),
          terms: z.array(z.looseObject({ name: z.string(), value: z.string(), why: z.string() })),
        })
        .optional(),
    })
    .default({ conditions: [] }),
});
const listSchema = z.object({ items: z.array(poolSchema) });

interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export type WorkerPool = z.output<typeof poolSchema>;

export interface PoolReader {
  /** @throws Error that says what is wrong with the cluster or our rights in it */
  read(): Promise<WorkerPool[]>;
  close(): Promise<void>;
}

/** Reads RpcWorkerPools; undefined outside of a cluster and without KUBECONFIG. */
export function createPoolReader(options: {
  namespace: string | undefined;
  env: NodeJS.ProcessEnv;
}): PoolReader | undefined {
  const { namespace, env } = options;
  if (!env.KUBERNETES_SERVICE_HOST && !env.KUBECONFIG) return undefined;
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const cluster = kubeConfig.getCurrentCluster();
  if (!cluster) return undefined;
  const path =
    namespace === undefined ? `${API}/rpcworkerpools` : `${API}/namespaces/${namespace}/rpcworkerpools`;
  let agent: Agent | undefined;
  let made = '';

  return {
    async read() {
      // Read anew each time: tokens and certificates of pods are rotated under us.
      const tls: Record<string, unknown> & { headers?: Record<string, string> } = {};
      await kubeConfig.applyToHTTPSOptions(tls as never);
      const { ca, cert, key, servername, rejectUnauthorized } = tls as TlsOptions;
      const material = [ca, cert, key].map(String).join('\n');
      if (agent === undefined || made !== material) {
        void agent?.close();
        agent = new Agent({
          connections: 2,
          connect: {
            timeout: TIMEOUT_MS,
            ...(ca ? { ca } : {}),
            ...(cert ? { cert } : {}),
            ...(key ? { key } : {}),
            ...(servername ? { servername } : {}),
            ...(rejectUnauthorized === false ? { rejectUnauthorized } : {}),
          },
        });
        made = material;
      }
      const answer = await request(`${cluster.server}${path}`, {
        dispatcher: agent,
        headers: { accept: 'application/json', ...tls.headers },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.statusCode === 404) {
        await answer.body.dump();
        throw new Error('the cluster does not know RpcWorkerPools: install the chart with its CRDs');
      }
      if (answer.statusCode === 401 || answer.statusCode === 403) {
        await answer.body.dump();
        throw new Error(
          'the console may not read rpcworkerpools: give its service account `get` and `list` on them',
        );
      }
      if (answer.statusCode !== 200) {
        await answer.body.dump();
        throw new Error(`the Kubernetes API answered ${answer.statusCode}`);
      }
      return listSchema.parse(await answer.body.json()).items;
    },
    close: async () => agent?.close(),
  };
}
