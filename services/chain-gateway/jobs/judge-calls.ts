import { AppError, type FieldError } from '../../../lib/errors.ts';
import type { ChainView } from '../heads/chain-view.ts';
import { bindCall } from '../rpc/block-binding.ts';
import { methodSpec } from '../rpc/methods.ts';
import { MAX_CALLS, MAX_PARAMS_BYTES, MAX_PROBLEMS } from './job-limits.ts';

/** Answered by the gateway about a connection; a job has none. */
const STATEFUL = /^eth_(subscribe|unsubscribe|new.*Filter|getFilter(Changes|Logs)|uninstallFilter)$/;

/**
 * Refuses a job of which a call could never be answered, before anything is stored, and names every such call by its
 * index (the first few, and how many there are).
 * @throws AppError `job_too_large`, `call_refused`
 */
export function judgeCalls(
  calls: readonly { method: string; params: readonly unknown[] }[],
  rules: { view: ChainView; extraMethods: ReadonlySet<string> },
): void {
  if (calls.length > MAX_CALLS) {
    throw new AppError(
      'job_too_large',
      `A job has at most ${MAX_CALLS} calls, this one has ${calls.length}: split it into several jobs.`,
      {
        errors: [
          { pointer: '/calls', rule: 'max', detail: `Expected at most ${MAX_CALLS}, got ${calls.length}.` },
        ],
      },
    );
  }
  const problems: FieldError[] = [];
  let count = 0;
  calls.forEach((call, index) => {
    const problem = judgeCall(call, rules);
    if (problem === undefined) return;
    count++;
    if (problems.length < MAX_PROBLEMS)
      problems.push({ ...problem, pointer: `/calls/${index}${problem.pointer}` });
  });
  if (count === 0) return;
  const more = count > problems.length ? ` The first ${problems.length} are listed.` : '';
  throw new AppError(
    'call_refused',
    `${count === 1 ? 'One call' : `${count} calls`} of this job cannot be made; nothing was queued.${more}`,
    { errors: problems },
  );
}

function judgeCall(
  { method, params }: { method: string; params: readonly unknown[] },
  { view, extraMethods }: { view: ChainView; extraMethods: ReadonlySet<string> },
): FieldError | undefined {
  if (STATEFUL.test(method))
    return {
      pointer: '/method',
      rule: 'stateful',
      detail: `${method} belongs to a connection; jobs make calls that stand alone.`,
    };
  const spec = methodSpec(method, extraMethods);
  if (spec === undefined)
    return { pointer: '/method', rule: 'unknown', detail: 'This method does not exist or is not available.' };
  if (spec.write === true)
    return {
      pointer: '/method',
      rule: 'write',
      detail: 'A job only reads, because it may ask twice; send transactions with POST /v1/transactions.',
    };
  const bytes = Buffer.byteLength(JSON.stringify(params));
  if (bytes > MAX_PARAMS_BYTES)
    return {
      pointer: '/params',
      rule: 'max',
      detail: `Expected at most ${MAX_PARAMS_BYTES} bytes, got ${bytes}.`,
    };
  const bound = bindCall(method, spec, params, view);
  return 'code' in bound ? { pointer: '/params', rule: 'params', detail: bound.message } : undefined;
}
