import { z } from 'zod';
import { JOB_STATES } from './job-types.ts';

export const createJobSchema = z.strictObject({
  calls: z
    .array(
      z.strictObject({
        method: z.string().min(1).max(64),
        params: z.array(z.unknown()).max(16).default([]),
      }),
    )
    .min(1)
    .meta({ description: 'At most 10,000 reading calls; their index is their place in this list' }),
  callback: z
    .strictObject({ url: z.url().max(2_000) })
    .optional()
    .meta({ description: 'Told once when the job is over, signed (Standard Webhooks). Public https only' }),
});
export type CreateJob = z.output<typeof createJobSchema>;

export const jobSchema = z
  .object({
    id: z.uuid(),
    chainId: z.int(),
    state: z.enum(JOB_STATES),
    calls: z.int(),
    progress: z.object({
      succeeded: z.int().meta({ description: 'Calls with a result' }),
      refused: z.int().meta({ description: 'Calls that the chain or a limit answered with an error' }),
      dead: z.int().meta({ description: 'Calls without an answer after all attempts' }),
      pending: z.int(),
      percent: z.number().meta({ description: 'Calls that are not pending, of all' }),
      retries: z.int().meta({ description: 'Attempts at a slice that have to be repeated' }),
    }),
    resultBytes: z.int(),
    callback: z
      .object({
        url: z.string(),
        state: z.enum(['waiting', 'due', 'delivered', 'failed']),
        attempts: z.int(),
        error: z.string().nullable(),
      })
      .nullable(),
    createdAt: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
    expiresAt: z.iso
      .datetime()
      .nullable()
      .meta({ description: 'When the job and its results are forgotten' }),
  })
  .meta({ id: 'RpcJob' });
export type JobView = z.output<typeof jobSchema>;

export const callErrorSchema = z.object({
  code: z.int(),
  message: z.string(),
  data: z.unknown().optional(),
});

/** One answer: `result` or `error`, as in JSON-RPC. */
export const callResultSchema = z
  .object({
    index: z.int(),
    result: z.unknown().optional(),
    error: callErrorSchema.optional(),
  })
  .meta({ id: 'RpcJobResult' });

export const deadLetterSchema = z
  .object({
    jobId: z.uuid(),
    slice: z.int(),
    attempts: z.int(),
    error: z.object({ code: z.int().nullable(), message: z.string().nullable() }),
    calls: z.array(z.object({ index: z.int(), method: z.string(), params: z.array(z.unknown()) })),
  })
  .meta({ id: 'RpcDeadLetter' });
export type DeadLetter = z.output<typeof deadLetterSchema>;

export const pageSchema = z.object({ next: z.string().nullable(), hasMore: z.boolean() });
