export const JOB_STATES = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const;
/**
 * `completed`: every call has an answer (an error of the chain is one). `failed`: for some there was none within all
 * attempts; they are dead letters and can be redriven.
 */
export type JobState = (typeof JOB_STATES)[number];

export const isFinalState = (state: JobState): boolean => state !== 'queued' && state !== 'running';

/** One call of a job as it is stored: index in the job, method, parameters. */
export type StoredCall = readonly [index: number, method: string, params: readonly unknown[]];

/** The final answer to one call. `body` is JSON text: the result, or `{code, message, data?}`. */
export interface CallAnswer {
  readonly index: number;
  readonly ok: boolean;
  readonly body: string;
}

/** A slice in the hands of a worker. */
export interface ClaimedSlice {
  readonly jobId: string;
  readonly slice: number;
  readonly principal: string;
  readonly calls: readonly StoredCall[];
  /** Attempts before this one that ended without all answers. */
  readonly attempts: number;
  readonly claim: string;
  /** Bytes of results that the job has already. */
  readonly resultBytes: number;
}
