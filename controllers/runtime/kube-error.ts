/** metav1.Status, as far as we read it. */
export interface StatusBody {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { field?: string; message?: string }[];
  };
}

/** An answer of the API server that is not a success, or no answer at all (`status` 0). */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** The machine-readable reason, such as `NotFound`, `Conflict`, `Forbidden`. */
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(request: string, status: number, body: StatusBody, cause?: unknown) {
    super(`${request}: ${body.message ?? `HTTP ${status}`}`, cause === undefined ? {} : { cause });
    this.status = status;
    this.reason = body.reason ?? 'Unknown';
    this.retryAfterSeconds = body.details?.retryAfterSeconds;
  }
}

const hasStatus = (error: unknown, status: number): boolean =>
  error instanceof KubeError && error.status === status;
export const isNotFound = (error: unknown): boolean => hasStatus(error, 404);
export const isForbidden = (error: unknown): boolean => hasStatus(error, 403);
/** Somebody else changed the object since we read it (or made it first). Read again, then decide again. */
export const isConflict = (error: unknown): boolean => hasStatus(error, 409);
/** The history from which a watch wanted to continue is gone: list again. */
export const isGone = (error: unknown): boolean =>
  hasStatus(error, 410) ||
  (error instanceof KubeError && (error.reason === 'Expired' || error.reason === 'Gone'));
