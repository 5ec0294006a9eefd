const controller = new AbortController();

/**
 * Aborts when this process was told to stop but still serves, for DRAIN_DELAY_MS, until load balancers have noticed.
 * What answers requests says so meanwhile: `/readyz` turns 503, and every answer closes its connection, so that clients
 * with open connections find another process in their own time.
 */
export const leaving: AbortSignal = controller.signal;

/** For lib/lifecycle.ts only. */
export const announceLeaving = (): void => controller.abort(new Error('shutting down'));
