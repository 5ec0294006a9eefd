import { z } from 'zod';
import { commonKeys, defineConfig, integer, port, redisUrl, url } from '../lib/config.ts';

/** Settings of the controller. Kubernetes itself is found by KUBECONFIG or the service account. */
export const controllerConfig = defineConfig({
  service: 'controller',
  keys: {
    ...commonKeys,
    PORT: port(4300).describe('Health and metrics'),
    WATCH_NAMESPACE: z.string().optional().describe('Look after this namespace only; without it after all'),
    LEASE_NAMESPACE: z
      .string()
      .default('default')
      .describe('Namespace of the Lease by which replicas elect a leader'),
    LEASE_NAME: z.string().default('rejuve-controller').describe('Name of that Lease'),
    LEASE_DURATION_MS: integer({ min: 2_000, max: 300_000, default: 15_000 }).describe(
      'How long a silent leader is respected',
    ),
    POD_NAME: z.string().optional().describe('Name of this pod, for the Lease and for Events'),
    POD_UID: z.string().optional().describe('Uid of this pod: the Lease goes with the pod that holds it'),
    REDIS_URL: redisUrl().optional().describe('Redis of the pools that name no Secret'),
    GATEWAY_METRICS_URL: url()
      .optional()
      .describe('The gateway’s /metrics; a headless Service is resolved to all of its pods'),
    QUEUE_INTERVAL_MS: integer({ min: 100, max: 60_000, default: 500 }).describe(
      'How often queues are looked at',
    ),
    WATCHDOG_MS: integer({ min: 1_000, max: 600_000, default: 100_000 }).describe(
      'A watch that is silent for this long is renewed',
    ),
  },
});
