import { AppError } from '../../../lib/errors.ts';
import { checkTargetUrl, ForbiddenTarget } from '../../../lib/http/public-address.ts';
import { withIdempotency } from '../../../lib/idempotency.ts';
import type { Random } from '../../../lib/random.ts';
import type { ChainView } from '../heads/chain-view.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { MAX_OPEN_CALLS_PER_PRINCIPAL, SLICE_CALLS } from './job-limits.ts';
import type { CreateJob, JobView } from './job-schema.ts';
import { cancelJob, countOpenCalls, findJob, insertJob, redriveJob } from './job-store.ts';
import { judgeCalls } from './judge-calls.ts';

export interface JobServiceDeps {
  readonly postgres: GatewayPostgres;
  readonly chainId: number;
  readonly view: ChainView;
  readonly extraMethods: ReadonlySet<string>;
  readonly random: Random;
  /** Whether callbacks can be signed at all, and whether they may go to this network (development). */
  readonly callbacks: { readonly enabled: boolean; readonly allowPrivate: boolean };
  readonly retentionMs: number;
  /** Slices have been queued: tell the workers. */
  readonly queued: (slices: number) => void;
}

export interface JobService {
  create(
    principal: string,
    chainId: number,
    key: string,
    body: CreateJob,
  ): Promise<{ view: JobView; replayed: boolean }>;
  get(principal: string, chainId: number, id: string): Promise<JobView>;
  cancel(principal: string, chainId: number, id: string): Promise<JobView>;
  redrive(principal: string, chainId: number, id: string): Promise<JobView>;
}

/** The rules of jobs. A job belongs to who asked for it; to everybody else it does not exist. */
export function createJobService(deps: JobServiceDeps): JobService {
  const { postgres, random } = deps;

  /** @throws AppError `not_found` */
  function checkChain(chainId: number): void {
    if (chainId === deps.chainId) return;
    throw new AppError('not_found', `This gateway serves chain ${deps.chainId}, not ${chainId}.`, {
      errors: [{ pointer: '{chainId}', rule: 'chain', detail: `Expected ${deps.chainId}.` }],
    });
  }

  /** @throws AppError `callback_refused` */
  function checkCallback(url: string): void {
    const refuse = (detail: string): AppError =>
      new AppError('callback_refused', detail, {
        errors: [{ pointer: '/callback/url', rule: 'target', detail }],
      });
    if (!deps.callbacks.enabled)
      throw refuse('Callbacks are switched off here: WEBHOOK_SECRETS is not set. Poll the job instead.');
    try {
      checkTargetUrl(url, deps.callbacks.allowPrivate);
    } catch (error) {
      if (error instanceof ForbiddenTarget) throw refuse(`The callback is not called: ${error.message}.`);
      throw error;
    }
  }

  async function get(principal: string, chainId: number, id: string): Promise<JobView> {
    checkChain(chainId);
    const view = await findJob(postgres.db, { chainId, principal }, id);
    if (!view)
      throw new AppError('not_found', `There is no job ${id}; finished jobs are kept for a while only.`);
    return view;
  }

  return {
    get,
    async create(principal, chainId, key, body) {
      checkChain(chainId);
      judgeCalls(body.calls, deps);
      if (body.callback) checkCallback(body.callback.url);
      const answer = await postgres.transaction((trx) =>
        withIdempotency(
          trx,
          { principal, operation: 'createJob', key, body: { chainId, ...body } },
          async () => {
            const open = await countOpenCalls(trx, chainId, principal);
            if (open + body.calls.length > MAX_OPEN_CALLS_PER_PRINCIPAL) {
              throw new AppError(
                'queue_full',
                `${open} calls of yours are waiting; with these ${body.calls.length} there would be more than ${MAX_OPEN_CALLS_PER_PRINCIPAL}. Try again when some are done.`,
                { retryAfterSeconds: 30 },
              );
            }
            const view = await insertJob(trx, {
              id: random.uuid(),
              chainId,
              principal,
              calls: body.calls,
              callbackUrl: body.callback?.url,
            });
            return { status: 202, body: view };
          },
        ),
      );
      if (!answer.replayed) deps.queued(Math.ceil(body.calls.length / SLICE_CALLS));
      return { view: answer.body as JobView, replayed: answer.replayed };
    },

    async cancel(principal, chainId, id) {
      await get(principal, chainId, id);
      const done = await postgres.transaction((trx) => cancelJob(trx, id, deps.retentionMs));
      const view = await get(principal, chainId, id);
      // Cancelling twice is no mistake.
      if (!done && view.state !== 'cancelled')
        throw new AppError(
          'conflict',
          `Job ${id} is ${view.state} already; it cannot be cancelled any more.`,
          {
            extra: { state: view.state },
          },
        );
      return view;
    },

    async redrive(principal, chainId, id) {
      await get(principal, chainId, id);
      const slices = await postgres.transaction((trx) => redriveJob(trx, { chainId, principal }, id));
      if (slices === 0)
        throw new AppError('conflict', `Job ${id} has no dead letters; there is nothing to redrive.`);
      deps.queued(slices);
      return get(principal, chainId, id);
    },
  };
}
