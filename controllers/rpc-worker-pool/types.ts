import { z } from 'zod';
import {
  type API_VERSION,
  conditionsSchema,
  int,
  type KubeObject,
  objectName,
  rules,
  seconds,
  secretKeyRef,
} from '../api.ts';

/** The largest pool one object may ask for; a typo such as 2000 for 20 should not reach a cloud bill. */
export const MAX_REPLICAS_LIMIT = 1000;

const policySchema = z
  .object({
    type: z
      .enum(['Pods', 'Percent'])
      .describe('Whether value counts pods or a percentage of the replicas at the start of the period.'),
    value: int(1, 10_000).describe(
      'How many pods, or how many percent, may be added or removed within the period.',
    ),
    periodSeconds: seconds(1, 1800).describe('The length of the period, in seconds.'),
  })
  .describe('Limits how far the replicas may move within a period.');

const directionSchema = (defaults: { window: number; policies: z.input<typeof policySchema>[] }) =>
  z.object({
    stabilizationWindowSeconds: seconds(0, 3600)
      .default(defaults.window)
      .describe(
        'How long a recommendation must have held before it is followed in this direction. The least movement seen within the window wins.',
      ),
    selectPolicy: z
      .enum(['Max', 'Min', 'Disabled'])
      .default('Max')
      .describe(
        'Which policy wins when several apply: the one that allows most, least, or no movement in this direction at all.',
      ),
    policies: z
      .array(policySchema)
      .min(1)
      .max(10)
      .default(defaults.policies as z.output<typeof policySchema>[])
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe('The policies for this direction.'),
  });

const behaviorSchema = z.object({
  scaleUp: directionSchema({
    window: 0,
    policies: [
      { type: 'Percent', value: 100, periodSeconds: 15 },
      { type: 'Pods', value: 4, periodSeconds: 15 },
    ],
  })
    .prefault({})
    .describe('How fast the pool may grow.'),
  scaleDown: directionSchema({ window: 120, policies: [{ type: 'Percent', value: 50, periodSeconds: 60 }] })
    .prefault({})
    .describe('How fast the pool may shrink.'),
});

const cronField = '[0-9*,/-]+';
const scheduleSchema = z
  .object({
    name: objectName().describe('A name for messages, such as "morning".'),
    start: z
      .string()
      .max(120)
      .regex(new RegExp(`^${cronField} ${cronField} ${cronField} ${cronField} ${cronField}$`))
      .describe(
        'When the window opens: minute hour day-of-month month day-of-week, numbers only, for example "30 7 * * 1-5".',
      ),
    timeZone: z.string().min(1).max(64).default('UTC').describe('An IANA time zone such as "Europe/Zurich".'),
    durationMinutes: int(1, 10_080).describe('How long the window stays open, in minutes (at most a week).'),
    minReplicas: int(0, MAX_REPLICAS_LIMIT)
      .optional()
      .describe('Replaces spec.minReplicas while the window is open.'),
    maxReplicas: int(1, MAX_REPLICAS_LIMIT)
      .optional()
      .describe('Replaces spec.maxReplicas while the window is open.'),
  })
  .meta(
    rules(
      {
        rule: 'has(self.minReplicas) || has(self.maxReplicas)',
        message: 'a schedule must change something: set minReplicas, maxReplicas or both',
      },
      {
        rule: '!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas',
        message:
          'minReplicas of a schedule must not be larger than its maxReplicas: lower one or raise the other',
      },
    ),
  );

export const poolSpecSchema = z
  .object({
    targetRef: z
      .object({
        apiVersion: z.enum(['apps/v1']).default('apps/v1'),
        kind: z.enum(['Deployment']).default('Deployment').describe('Only Deployments are scaled.'),
        name: objectName().describe(
          'Name of the Deployment that runs the workers, in the namespace of this object.',
        ),
      })
      .describe(
        'What is scaled. Leave spec.replicas out of that Deployment’s manifest, or its next apply undoes the scaling.',
      ),
    chainId: z
      .int()
      .min(1)
      .max(Number.MAX_SAFE_INTEGER)
      .meta({ format: 'int64' })
      .describe(
        'EIP-155 id of the chain the workers call. The ChainProviders of this chain and namespace limit growth.',
      ),
    queue: z.object({
      name: z.string().min(1).max(200).describe('Name of the Bull queue that the workers drain.'),
      prefix: z.string().min(1).max(200).default('bull').describe('Key prefix of the Bull queue.'),
      redisSecretRef: secretKeyRef('url')
        .optional()
        .describe('Secret with the Redis URL. Default: the Redis of the controller itself (REDIS_URL).'),
    }),
    objective: z
      .object({
        oldestJobAgeSeconds: seconds(1, 86_400)
          .default(30)
          .describe('The objective: no job should wait longer than this before a worker takes it.'),
      })
      .prefault({}),
    worker: z
      .object({
        concurrency: int(1, 1000).default(8).describe('How many jobs one pod works on at the same time.'),
        callsPerJob: int(1, 10_000).default(1).describe('How many provider calls one job makes on average.'),
        computeUnitsPerJob: int(0, 10_000_000)
          .default(0)
          .describe('Compute units one job costs on average; 0 when not billed.'),
        startupSeconds: seconds(0, 600)
          .default(15)
          .describe('From the decision to the first job taken by the new pod, in seconds.'),
        assumedServiceMilliseconds: int(1, 3_600_000)
          .default(500)
          .describe('Time one job occupies a slot, until it has been measured, in milliseconds.'),
      })
      .prefault({})
      .describe('What one worker pod can do.'),
    targetUtilizationPercent: int(10, 100)
      .default(80)
      .describe('The share of the slots that should be busy in steady state. The rest absorbs bursts.'),
    tolerancePercent: int(0, 50)
      .default(10)
      .describe('A need that exceeds the present replicas by less than this does not add a pod.'),
    minReplicas: int(0, MAX_REPLICAS_LIMIT)
      .default(1)
      .describe('Never fewer than this; `kubectl scale` sets it. 0 allows an idle pool to disappear.'),
    maxReplicas: int(1, MAX_REPLICAS_LIMIT).describe('Never more than this (outside a burst).'),
    scaleToZero: z
      .object({
        idleSeconds: seconds(10, 86_400)
          .default(300)
          .describe('How long the queue must have been empty and silent.'),
      })
      .prefault({})
      .describe('When the last pod may go. Only used while minReplicas is 0.'),
    behavior: behaviorSchema
      .prefault({})
      .describe('Policies per direction, with the meaning they have in a HorizontalPodAutoscaler.'),
    burst: z
      .object({
        whenAgePercent: int(1, 1000)
          .default(50)
          .describe('The burst starts when the oldest job has used this share of the objective.'),
        maxReplicas: int(1, MAX_REPLICAS_LIMIT)
          .optional()
          .describe('Ceiling during a burst. Default: spec.maxReplicas.'),
      })
      .optional()
      .describe('While the objective is in danger, skip the scale-up policies and use the burst ceiling.'),
    schedules: z
      .array(scheduleSchema)
      .max(20)
      .default([])
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] })
      .describe(
        'Windows in which other bounds hold. Of several open windows the largest minReplicas and the largest maxReplicas win.',
      ),
    providers: z
      .object({
        reservePercent: int(0, 90)
          .default(10)
          .describe('Share of each provider’s limit that is left to other clients.'),
        throttledPercent: int(1, 100)
          .default(5)
          .describe(
            'A provider that refuses this share of calls (HTTP 429 and its disguises) counts as full.',
          ),
      })
      .prefault({})
      .describe('How the health of the chain’s providers limits growth.'),
    budget: z
      .object({
        computeUnitsPerHour: z
          .int()
          .min(1)
          .max(Number.MAX_SAFE_INTEGER)
          .meta({ format: 'int64' })
          .describe('Compute units this pool may burn per hour.'),
      })
      .optional()
      .describe('Protection for money: the pool is kept so small that it cannot burn more than this.'),
    fallback: z
      .object({
        afterSeconds: seconds(10, 86_400)
          .default(180)
          .describe('How long the queue must have been unreadable.'),
        replicas: int(0, MAX_REPLICAS_LIMIT).describe('The replicas to fall back to.'),
        direction: z
          .enum(['UpOnly', 'Exact'])
          .default('UpOnly')
          .describe('UpOnly never removes pods blindly; Exact goes to the number in either direction.'),
      })
      .optional()
      .describe(
        'What to do when the queue stays unreadable. Without it the scale is held for as long as that lasts.',
      ),
    prediction: z
      .object({
        mode: z
          .enum(['Disabled', 'Shadow', 'RaiseOnly'])
          .default('Disabled')
          .describe('Shadow only reports; RaiseOnly may raise the answer, never lower it.'),
        seasonMinutes: int(10, 10_080)
          .default(1440)
          .describe('Length of the season that repeats, in minutes; 1440 is a day.'),
        horizonSeconds: seconds(10, 3600)
          .default(60)
          .describe('How far ahead to look, in seconds; a little more than worker.startupSeconds.'),
      })
      .prefault({})
      .describe(
        'A seasonal forecast of arrivals. It switches itself off while its error is larger than that of assuming no change.',
      ),
    paused: z
      .object({
        reason: z.string().max(1024).default('').describe('Shown in the status.'),
        replicas: int(0, MAX_REPLICAS_LIMIT)
          .optional()
          .describe('Hold the pool at this number; without it at the number it has.'),
      })
      .optional()
      .describe('Stops automatic scaling for as long as it is present.'),
    mode: z
      .enum(['Active', 'Shadow'])
      .default('Active')
      .describe('Shadow decides and reports "would have" but never changes the target.'),
  })
  .meta(
    rules(
      {
        rule: 'self.minReplicas <= self.maxReplicas',
        message: 'minReplicas must not be larger than maxReplicas: lower minReplicas or raise maxReplicas',
        fieldPath: '.minReplicas',
      },
      {
        rule: '!has(self.burst) || !has(self.burst.maxReplicas) || self.burst.maxReplicas >= self.maxReplicas',
        message: 'burst.maxReplicas must be at least maxReplicas: a burst may only raise the ceiling',
      },
      {
        rule: '!has(self.fallback) || self.fallback.replicas <= self.maxReplicas',
        message: 'fallback.replicas must not be larger than maxReplicas',
      },
      {
        rule: '!has(self.budget) || self.worker.computeUnitsPerJob > 0',
        message: 'a budget needs the price of a job: set worker.computeUnitsPerJob',
      },
      {
        rule: 'self.worker.startupSeconds < self.objective.oldestJobAgeSeconds || self.minReplicas > 0',
        message:
          'a pool that scales to zero cannot keep an objective shorter than worker.startupSeconds: set minReplicas to 1 or raise objective.oldestJobAgeSeconds',
      },
      {
        rule: "self.prediction.mode == 'Disabled' || self.prediction.horizonSeconds >= self.worker.startupSeconds",
        message:
          'prediction.horizonSeconds must be at least worker.startupSeconds: a forecast that ends before the pod starts cannot help',
      },
    ),
  );

/** One line of the explanation of a decision. */
const termSchema = z.object({
  name: z.string().max(64).describe('The name of the term, as in the formula.'),
  value: z.string().max(64).describe('Its value, with the unit.'),
  why: z.string().max(512).describe('Where the value comes from.'),
});

const runSchema = z.object({ replicas: z.int(), from: z.number() });
const eventSchema = z.object({ at: z.number(), from: z.int(), to: z.int() });

/**
 * What decide() carries from one pass to the next. It is kept in the status, so that a new leader continues
 * where the last one stopped. Times are epoch milliseconds. Everything is bounded.
 */
export const memorySchema = z.object({
  recommendations: z
    .array(runSchema)
    .max(64)
    .describe('Recommendations, run-length encoded; the last run is still open.'),
  scaleEvents: z
    .array(eventSchema)
    .max(64)
    .describe('Changes of the scale inside the longest policy period.'),
  replicas: z
    .int()
    .optional()
    .describe('The scale when last looked at, to notice every change of it, ours or not.'),
  burstAt: z.number().optional().describe('When the objective was last in danger.'),
  readableAt: z.number().optional().describe('When the queue was last read.'),
  unreadableSince: z.number().optional().describe('When reading the queue began to fail.'),
  heldSince: z
    .number()
    .optional()
    .describe('Since when growth that the queue needs has been prevented by providers or budget.'),
  busyAt: z.number().optional().describe('When the queue last had something to do.'),
  arrivals: z
    .object({
      at: z.number(),
      since: z.number(),
      added: z.number(),
      done: z.number(),
      fast: z.number(),
      slow: z.number(),
      throughput: z.number(),
      busySlots: z.number(),
    })
    .optional()
    .describe('Counters and moving averages from which rates are computed.'),
  serviceSeconds: z.number().optional().describe('Moving average of the time one job occupies a slot.'),
  spend: z
    .object({ hour: z.int(), jobs: z.number() })
    .optional()
    .describe('Jobs finished since the current clock hour began.'),
});

export const decisionStatusSchema = z.object({
  time: z.iso.datetime().meta({ format: 'date-time' }),
  replicas: z.int().meta({ format: 'int32' }).describe('What was decided.'),
  from: z.int().meta({ format: 'int32' }).describe('The replicas at that time.'),
  action: z.enum([
    'ScaleUp',
    'ScaleDown',
    'Keep',
    'Hold',
    'Fallback',
    'Paused',
    'WouldScaleUp',
    'WouldScaleDown',
  ]),
  summary: z.string().max(1024).describe('The decision in one sentence.'),
  terms: z
    .array(termSchema)
    .max(40)
    .meta({ 'x-kubernetes-list-type': 'atomic' })
    .describe('Every term of the decision, in order.'),
});

export const poolStatusSchema = z.object({
  observedGeneration: z
    .int()
    .meta({ format: 'int64' })
    .optional()
    .describe('The generation of the spec that this status speaks of.'),
  conditions: conditionsSchema.optional(),
  replicas: z
    .int()
    .meta({ format: 'int32' })
    .optional()
    .describe('Replicas of the target, as its status counts them.'),
  readyReplicas: z.int().meta({ format: 'int32' }).optional().describe('Replicas that are ready.'),
  desiredReplicas: z
    .int()
    .meta({ format: 'int32' })
    .optional()
    .describe('Replicas the last decision asked for.'),
  selector: z.string().optional().describe('Label selector of the pods, for the scale subresource.'),
  lastScaleTime: z.iso
    .datetime()
    .meta({ format: 'date-time' })
    .optional()
    .describe('When the scale was last changed.'),
  backlog: z.int().meta({ format: 'int64' }).optional().describe('Jobs waiting, when last reported.'),
  oldestJobAge: z.string().optional().describe('Age of the oldest waiting job, when last reported.'),
  decision: decisionStatusSchema.optional().describe('The last decision and every number it came from.'),
  memory: z
    .string()
    .max(16_384)
    .optional()
    .describe('What the controller needs to continue after a restart (JSON). Not an interface.'),
  forecast: z
    .string()
    .max(16_384)
    .optional()
    .describe('The learned season of arrivals (JSON). Not an interface.'),
});

export type PoolSpec = z.output<typeof poolSpecSchema>;
export type PoolSpecInput = z.input<typeof poolSpecSchema>;
export type PoolStatus = z.output<typeof poolStatusSchema>;
export type DecisionStatus = z.output<typeof decisionStatusSchema>;
export type Memory = z.output<typeof memorySchema>;
export type Policy = z.output<typeof policySchema>;
export type DirectionBehavior = PoolSpec['behavior']['scaleUp'];
export type Schedule = z.output<typeof scheduleSchema>;

export interface RpcWorkerPool extends KubeObject {
  readonly apiVersion?: typeof API_VERSION;
  readonly kind?: 'RpcWorkerPool';
  spec: PoolSpec;
  status?: PoolStatus;
}

/** A spec with every default filled in, as the API server would store it. Throws a ZodError on an invalid one. */
export const parsePoolSpec = (input: PoolSpecInput): PoolSpec => poolSpecSchema.parse(input);
