import { AppError } from '../../../lib/errors.ts';
import type { Flags } from '../../../lib/flags.ts';
import { WRITES_FLAG } from '../flags.ts';

/** Long enough for an operator to turn the flag back, short enough for people to wait. */
const RETRY_AFTER_SECONDS = 30;

/**
 * Refuses what would change something while the flag `api-writes` is off for this route or caller. The flag's targeting
 * knows `operation`, `principal` and `kind`, so that a single operation or partner can be held back.
 * @throws AppError writes_paused
 */
export function createWritesSwitch(flags: Pick<Flags, 'boolean'>) {
  return ({
    route,
    principal,
  }: {
    route: { readonly method: string; readonly operationId: string };
    principal: { readonly kind: string; readonly id: string };
  }): void => {
    if (route.method === 'get') return;
    const context = { targetingKey: principal.id, operation: route.operationId, kind: principal.kind };
    if (flags.boolean(WRITES_FLAG.key, WRITES_FLAG.fallback, context)) return;
    throw new AppError('writes_paused', 'Changes are paused by the operators; reading goes on.', {
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  };
}
