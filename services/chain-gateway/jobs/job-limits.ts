/** Most calls in one job: what a client can wait for in minutes, and what one answer page by page is good for. */
export const MAX_CALLS = 10_000;

/** Largest body of a request for a job: 10,000 calls of 800 bytes. */
export const MAX_JOB_BODY_BYTES = 8 * 1024 * 1024;

/** Largest parameters of one call, bytes of JSON. Creation code of the largest contract fits. */
export const MAX_PARAMS_BYTES = 128 * 1024;

/**
 * Calls in one slice, which is one Bull job. Large enough that claiming and settling (two round trips to Postgres)
 * are a few per cent of its work; small enough that a worker finishes one within its grace period.
 */
export const SLICE_CALLS = 50;

/** A principal may have this many calls waiting; more is refused until some are done. */
export const MAX_OPEN_CALLS_PER_PRINCIPAL = 200_000;

/** A larger result is refused with an error in its place: it belongs to an interactive call, which streams it. */
export const MAX_RESULT_BYTES = 1024 * 1024;

/** All results of one job together; what comes after that is refused with an error in its place. */
export const MAX_JOB_RESULT_BYTES = 256 * 1024 * 1024;

/** A page of results ends after this many bytes, whatever its limit. */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** Most problems named in one answer; the rest is counted. */
export const MAX_PROBLEMS = 20;
