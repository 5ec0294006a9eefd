import { z } from 'zod';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { requireIdempotencyKey } from '../../../lib/idempotency.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { MAX_JOB_BODY_BYTES } from './job-limits.ts';
import { callResultSchema, createJobSchema, deadLetterSchema, jobSchema, pageSchema } from './job-schema.ts';
import { listDeadLetters, listJobs, listResults } from './job-store.ts';
import { isFinalState, JOB_STATES } from './job-types.ts';
import type { JobService } from './service.ts';

export interface JobRouteDeps {
  readonly service: JobService;
  readonly postgres: GatewayPostgres;
  readonly cursors: CursorCodec;
}

const tags = ['jobs'];
const auth = ['service'] as const;
const chainParams = z.object({ chainId: z.coerce.number().int().positive() });
const jobParams = chainParams.extend({ id: z.uuid() });
const limitOf = (max: number, usual: number) => z.coerce.number().int().min(1).max(max).default(usual);
/** The name by which the calls of a service are booked on the interactive path, too. */
const payer = (principal: { kind: string; id: string }): string =>
  principal.kind === 'service' ? `service:${principal.id}` : principal.id;

/** `/v1/chains/{chainId}/jobs…`: many reading calls at once, answered in the background. */
export function createJobRoutes(deps: JobRouteDeps): Route[] {
  const { service, postgres, cursors } = deps;

  const create = defineRoute({
    method: 'post',
    path: '/v1/chains/{chainId}/jobs',
    operationId: 'createJob',
    summary: 'Ask for up to 10,000 calls in the background',
    description:
      'Saved before it is answered. The calls run at background priority through the same path and on the same account as interactive ones; each gets exactly one answer. Poll the job, or give a callback.',
    tags,
    auth,
    params: chainParams,
    requestHeaders: z.object({ 'idempotency-key': z.string().optional() }),
    body: createJobSchema,
    bodyLimitBytes: MAX_JOB_BODY_BYTES,
    responses: { 202: { description: 'Accepted and saved', schema: jobSchema } },
    errors: [
      'call_refused',
      'callback_refused',
      'job_too_large',
      'not_found',
      'queue_full',
      'idempotency_key_required',
      'idempotency_key_reused',
      'idempotency_in_progress',
    ],
    async handler({ params, headers, body, principal }) {
      const key = requireIdempotencyKey(headers['idempotency-key']);
      const { view, replayed } = await service.create(payer(principal), params.chainId, key, body);
      return reply(202, view, {
        location: `/v1/chains/${params.chainId}/jobs/${view.id}`,
        ...(replayed ? { 'idempotency-replayed': 'true' } : {}),
      });
    },
  });

  const get = defineRoute({
    method: 'get',
    path: '/v1/chains/{chainId}/jobs/{id}',
    operationId: 'getJob',
    summary: 'Read the state and progress of a job',
    tags,
    auth,
    params: jobParams,
    responses: { 200: { description: 'The job as it is now', schema: jobSchema } },
    errors: ['not_found'],
    handler: async ({ params, principal }) =>
      reply(200, await service.get(payer(principal), params.chainId, params.id)),
  });

  const list = defineRoute({
    method: 'get',
    path: '/v1/chains/{chainId}/jobs',
    operationId: 'listJobs',
    summary: 'List your jobs, newest first',
    tags,
    auth,
    params: chainParams,
    query: z.strictObject({
      state: z.enum(JOB_STATES).optional(),
      cursor: z.string().optional(),
      limit: limitOf(200, 50),
    }),
    responses: {
      200: { description: 'One page', schema: z.object({ data: z.array(jobSchema), page: pageSchema }) },
    },
    errors: ['invalid_cursor'],
    async handler({ params, query, principal }) {
      const owner = { chainId: params.chainId, principal: payer(principal) };
      const name = `jobs?${JSON.stringify([owner, query.state])}`;
      const before = query.cursor === undefined ? undefined : String(cursors.decode(name, query.cursor)[0]);
      const rows = await listJobs(postgres.db, owner, { state: query.state, before, limit: query.limit + 1 });
      const data = rows.slice(0, query.limit);
      const hasMore = rows.length > query.limit;
      return reply(200, {
        data,
        page: { hasMore, next: hasMore ? cursors.encode(name, [data.at(-1)?.id ?? '']) : null },
      });
    },
  });

  const results = defineRoute({
    method: 'get',
    path: '/v1/chains/{chainId}/jobs/{id}/results',
    operationId: 'listJobResults',
    summary: 'Read the answers of a job by index',
    description:
      'Answers that are there, in the order of their index. While `complete` is false answers may still come in before ones that were read already; a page may be shorter than its limit when its results are large.',
    tags,
    auth,
    params: jobParams,
    query: z.strictObject({ cursor: z.string().optional(), limit: limitOf(1_000, 100) }),
    responses: {
      200: {
        description: 'One page',
        schema: z.object({ complete: z.boolean(), data: z.array(callResultSchema), page: pageSchema }),
      },
    },
    errors: ['not_found', 'invalid_cursor'],
    async handler({ params, query, principal }) {
      const job = await service.get(payer(principal), params.chainId, params.id);
      const name = `job-results/${job.id}`;
      const after = query.cursor === undefined ? -1 : Number(cursors.decode(name, query.cursor)[0]);
      const rows = await listResults(postgres.db, job.id, { after, limit: query.limit });
      const last = rows.at(-1)?.index;
      const hasMore =
        last !== undefined && (await listResults(postgres.db, job.id, { after: last, limit: 1 })).length > 0;
      return reply(200, {
        complete: isFinalState(job.state),
        data: rows.map(({ index, ok, body }) => ({ index, [ok ? 'result' : 'error']: JSON.parse(body) })),
        page: { hasMore, next: hasMore ? cursors.encode(name, [last]) : null },
      });
    },
  });

  const cancel = defineRoute({
    method: 'post',
    path: '/v1/chains/{chainId}/jobs/{id}/cancel',
    operationId: 'cancelJob',
    summary: 'Withdraw what is not done yet',
    description: 'Answers that are there stay readable. Calls under way are abandoned within seconds.',
    tags,
    auth,
    params: jobParams,
    responses: { 200: { description: 'The cancelled job', schema: jobSchema } },
    errors: ['not_found', 'conflict'],
    handler: async ({ params, principal }) =>
      reply(200, await service.cancel(payer(principal), params.chainId, params.id)),
  });

  const redrive = defineRoute({
    method: 'post',
    path: '/v1/chains/{chainId}/jobs/{id}/redrive',
    operationId: 'redriveJob',
    summary: 'Try the dead letters of a job again',
    tags,
    auth,
    params: jobParams,
    responses: { 202: { description: 'Queued again, with all attempts', schema: jobSchema } },
    errors: ['not_found', 'conflict'],
    handler: async ({ params, principal }) =>
      reply(202, await service.redrive(payer(principal), params.chainId, params.id)),
  });

  const deadLetters = defineRoute({
    method: 'get',
    path: '/v1/chains/{chainId}/dead-letters',
    operationId: 'listDeadLetters',
    summary: 'List slices of your jobs that nobody could answer',
    tags,
    auth,
    params: chainParams,
    query: z.strictObject({
      jobId: z.uuid().optional(),
      cursor: z.string().optional(),
      limit: limitOf(100, 20),
    }),
    responses: {
      200: {
        description: 'One page',
        schema: z.object({ data: z.array(deadLetterSchema), page: pageSchema }),
      },
    },
    errors: ['invalid_cursor'],
    async handler({ params, query, principal }) {
      const owner = { chainId: params.chainId, principal: payer(principal) };
      const name = `dead-letters?${JSON.stringify([owner, query.jobId])}`;
      const after =
        query.cursor === undefined ? undefined : (cursors.decode(name, query.cursor) as [string, number]);
      const rows = await listDeadLetters(postgres.db, owner, {
        jobId: query.jobId,
        after,
        limit: query.limit + 1,
      });
      const data = rows.slice(0, query.limit);
      const hasMore = rows.length > query.limit;
      const last = data.at(-1);
      return reply(200, {
        data,
        page: { hasMore, next: hasMore && last ? cursors.encode(name, [last.jobId, last.slice]) : null },
      });
    },
  });

  return [create, get, list, results, cancel, redrive, deadLetters];
}
