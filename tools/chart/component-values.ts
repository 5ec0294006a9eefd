import { z } from 'zod';
import { optionalName, passThrough, resources, stringMap } from './value-types.ts';

const imageOverride = z
  .strictObject({
    tag: z.string().default('').describe('Tag. Empty: image.tag.'),
    digest: z
      .string()
      .regex(/^(sha256:[0-9a-f]{64})?$/)
      .default('')
      .describe('Digest. Empty: image.digest, unless a tag is given here.'),
  })
  .prefault({});

/** What every process of the platform can be told. */
const common = (d: { cpu: string; memory: string; memoryLimit: string }) => ({
  enabled: z.boolean().default(true).describe('Whether it runs.'),
  image: imageOverride.describe('Another version of the image for this part only.'),
  logLevel: z
    .enum(['', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'])
    .default('')
    .describe('Least severe level that is logged. Empty: logLevel.'),
  env: z
    .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe(
      'Settings of the process by their names; the process refuses unknown ones with the nearest name.',
    ),
  extraEnv: z
    .array(passThrough)
    .default([])
    .describe('Entries of env as Kubernetes knows them (valueFrom and so on).'),
  envFrom: z.array(passThrough).default([]).describe('Entries of envFrom.'),
  extraVolumes: z.array(passThrough).default([]).describe('Volumes of the pod.'),
  extraVolumeMounts: z.array(passThrough).default([]).describe('Where the container mounts them.'),
  resources: resources({
    requests: { cpu: d.cpu, memory: d.memory },
    limits: { memory: d.memoryLimit },
  }),
  podAnnotations: stringMap.default({}).describe('Annotations of the pods.'),
  podLabels: stringMap.default({}).describe('Labels of the pods.'),
  nodeSelector: stringMap.default({}).describe('Nodes on which the pods may run.'),
  tolerations: z.array(passThrough).default([]).describe('Taints that the pods tolerate.'),
  affinity: passThrough.default({}).describe('Affinity of the pods.'),
  priorityClassName: optionalName.describe(
    'Priority class. Empty: one of priorityClasses, when they are created.',
  ),
  drainSeconds: z
    .int()
    .min(1)
    .max(3600)
    .default(25)
    .describe(
      'Seconds that work in flight has to finish after SIGTERM; the grace period of the pod follows from it.',
    ),
  serviceAccount: z
    .strictObject({
      create: z.boolean().default(true).describe('Make one for this part.'),
      name: optionalName.describe('Its name. Empty: the name of the part.'),
      annotations: stringMap
        .default({})
        .describe('Annotations, such as the cloud role of a workload identity.'),
    })
    .prefault({})
    .describe('Service account. Only the controller gets a token of the Kubernetes API.'),
});

const replicas = (count: number) =>
  z.int().min(0).max(1000).default(count).describe('Pods. Without effect while autoscaling.enabled.');

const pdb = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Whether there is one; only made where two or more pods run.'),
    maxUnavailable: z
      .union([z.int().min(0), z.string().regex(/^\d{1,3}%$/)])
      .default(1)
      .describe('Pods that voluntary disruptions may take at the same time.'),
  })
  .prefault({})
  .describe('PodDisruptionBudget.');

const autoscaling = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether a HorizontalPodAutoscaler sets the replicas.'),
    minReplicas: z.int().min(1).default(2).describe('Never fewer pods.'),
    maxReplicas: z.int().min(1).default(10).describe('Never more pods.'),
    targetCPUUtilizationPercentage: z
      .int()
      .min(1)
      .max(100)
      .default(70)
      .describe('CPU to aim for, percent of the request.'),
    targetMemoryUtilizationPercentage: z
      .int()
      .min(0)
      .max(100)
      .default(0)
      .describe('Memory to aim for, percent of the request; 0 leaves it out.'),
    behavior: passThrough.default({}).describe('spec.behavior of the autoscaler.'),
  })
  .prefault({})
  .describe('HorizontalPodAutoscaler.');

const canary = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Run a second track of this part beside the stable one.'),
    weight: z
      .int()
      .min(0)
      .max(100)
      .default(10)
      .describe(
        'Share of the traffic in percent: exact through httpRoute, else approximated by the number of pods.',
      ),
    replicas: z
      .int()
      .min(0)
      .max(1000)
      .default(0)
      .describe('Pods of the canary. 0: as many as the weight asks for beside the stable pods.'),
    image: imageOverride.describe('The version that is tried.'),
    env: z
      .record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.union([z.string(), z.number(), z.boolean()]))
      .default({})
      .describe('Settings that only the canary gets.'),
  })
  .prefault({})
  .describe('Progressive delivery; driven by tools/delivery/canary.ts, see docs/runbooks/canary.md.');

const service = z
  .strictObject({
    type: z
      .enum(['ClusterIP', 'NodePort', 'LoadBalancer'])
      .default('ClusterIP')
      .describe('Type of the Service.'),
    annotations: stringMap.default({}).describe('Annotations of the Service.'),
    nodePort: z
      .int()
      .min(0)
      .max(65_535)
      .default(0)
      .describe('Port on every node, for NodePort; 0 lets Kubernetes choose.'),
  })
  .prefault({})
  .describe('Service.');

const spread = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Spread the pods over zones and nodes.'),
    whenUnsatisfiable: z
      .enum(['ScheduleAnyway', 'DoNotSchedule'])
      .default('ScheduleAnyway')
      .describe('DoNotSchedule refuses to put two pods together; ScheduleAnyway prefers not to.'),
  })
  .prefault({})
  .describe('Topology spread constraints.');

type Size = { cpu: string; memory: string; memoryLimit: string };

/** A part that answers requests: Service, autoscaler, canary. */
export const servingComponent = (options: Size & { replicas: number; extra?: z.ZodRawShape }) =>
  z
    .strictObject({
      ...common(options),
      replicas: replicas(options.replicas),
      service,
      autoscaling,
      canary,
      pdb,
      spread,
      ...options.extra,
    })
    .prefault({});

/** A part that nobody calls: fixed replicas. */
export const workingComponent = (options: Size & { replicas: number; extra?: z.ZodRawShape }) =>
  z
    .strictObject({
      ...common(options),
      replicas: replicas(options.replicas),
      canary,
      pdb,
      spread,
      ...options.extra,
    })
    .prefault({});

/** A part whose replicas belong to the controller: there is no setting for them. */
export const scaledComponent = (options: Size & { extra?: z.ZodRawShape }) =>
  z.strictObject({ ...common(options), pdb, spread, ...options.extra }).prefault({});
