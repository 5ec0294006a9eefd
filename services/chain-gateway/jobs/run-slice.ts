import { RPC_ERROR } from '../rpc/errors.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import { MAX_JOB_RESULT_BYTES, MAX_RESULT_BYTES } from './job-limits.ts';
import type { CallAnswer, ClaimedSlice, StoredCall } from './job-types.ts';

/** What one attempt at a slice came to. */
export interface SliceOutcome {
  readonly answers: readonly CallAnswer[];
  /** Calls that have to be asked again. */
  readonly left: readonly StoredCall[];
  /** Why, from the last call that went wrong; absent when the attempt was only interrupted. */
  readonly problem: { readonly code: number; readonly message: string } | undefined;
  /** The longest wait that an answer asked for, seconds. */
  readonly retryAfterSeconds: number | undefined;
}

/** After so many calls in a row that might have gone well, the rest of the slice waits: the chain is not to be had. */
const GIVE_UP_AFTER = 5;

/**
 * Makes the calls of one slice, some at a time, at background priority and on the account of who asked for the job.
 * Never rejects. When `signal` aborts, calls under way are abandoned and are left over.
 */
export async function runSlice(
  slice: Pick<ClaimedSlice, 'calls' | 'principal' | 'resultBytes'>,
  deps: {
    readonly rpc: EthereumRpc;
    /** Calls at the same time. */
    readonly parallel: number;
    readonly signal: AbortSignal;
  },
): Promise<SliceOutcome> {
  const { rpc, signal } = deps;
  const answers: CallAnswer[] = [];
  const left: StoredCall[] = [];
  let problem: SliceOutcome['problem'];
  let retryAfterSeconds: number | undefined;
  let bytes = slice.resultBytes;
  let failedInARow = 0;
  let next = 0;

  const answer = (index: number, ok: boolean, value: unknown): void => {
    const body = JSON.stringify(value ?? null);
    const size = Buffer.byteLength(body);
    const tooLarge = size > MAX_RESULT_BYTES || bytes + size > MAX_JOB_RESULT_BYTES;
    if (!tooLarge) {
      bytes += size;
      answers.push({ index, ok, body });
      return;
    }
    const message =
      size > MAX_RESULT_BYTES
        ? `the result has ${size} bytes, more than the ${MAX_RESULT_BYTES} that a job keeps: make this call alone`
        : `the results of this job have reached ${MAX_JOB_RESULT_BYTES} bytes: split it into several jobs`;
    answers.push({ index, ok: false, body: JSON.stringify({ code: RPC_ERROR.limitExceeded, message }) });
  };

  async function lane(): Promise<void> {
    for (;;) {
      const call = slice.calls[next++];
      if (call === undefined) return;
      if (signal.aborted || failedInARow >= GIVE_UP_AFTER) {
        left.push(call);
        continue;
      }
      const [index, method, params] = call;
      try {
        const result = await rpc.request(method, params, {
          priority: 'background',
          principal: slice.principal,
          signal,
        });
        answer(index, true, result);
        failedInARow = 0;
      } catch (error) {
        if (signal.aborted) {
          left.push(call);
          continue;
        }
        if (error instanceof RpcCallError && error.retry === 'never') {
          const { code, message, data } = error;
          answer(index, false, { code, message, ...(data === undefined ? {} : { data }) });
          failedInARow = 0;
          continue;
        }
        failedInARow++;
        left.push(call);
        const known = error instanceof RpcCallError ? error : undefined;
        problem = {
          code: known?.code ?? RPC_ERROR.internal,
          message: (error as Error).message.slice(0, 500),
        };
        if (known?.retryAfterSeconds !== undefined)
          retryAfterSeconds = Math.max(retryAfterSeconds ?? 0, known.retryAfterSeconds);
      }
    }
  }

  await Promise.all(Array.from({ length: Math.max(1, deps.parallel) }, lane));
  return { answers, left: left.toSorted((a, b) => a[0] - b[0]), problem, retryAfterSeconds };
}
