import type { Clock } from '../time.ts';

/** One thing a process needs in order to serve. */
export interface ReadinessCheck {
  readonly name: string;
  /** Resolves when usable; rejects with the reason when not. Must honour the signal. */
  check(signal: AbortSignal): Promise<void>;
}

export interface ReadinessReport {
  readonly status: 'ready' | 'not-ready';
  readonly checks: Readonly<Record<string, { ok: boolean; ms: number; reason?: string }>>;
}

/** A check that takes longer counts as failed: a hanging dependency is as bad as a dead one. */
const CHECK_TIMEOUT_MS = 2_000;

/** Runs all checks at once, each with its own deadline. */
export async function checkReadiness(
  checks: readonly ReadinessCheck[],
  clock: Clock,
  draining: boolean,
): Promise<ReadinessReport> {
  const results = await Promise.all(
    checks.map(async ({ name, check }) => {
      const started = clock.monotonic();
      const abort = new AbortController();
      let timer: { cancel(): void } | undefined;
      try {
        const timeout = new Promise<never>((_, reject) => {
          timer = clock.setTimeout(() => {
            const late = new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`);
            abort.abort(late);
            reject(late);
          }, CHECK_TIMEOUT_MS);
        });
        await Promise.race([check(abort.signal), timeout]);
        return [name, { ok: true, ms: Math.round(clock.monotonic() - started) }] as const;
      } catch (error) {
        const reason = error instanceof Error ? error.message.split('\n')[0] || error.name : String(error);
        return [name, { ok: false, ms: Math.round(clock.monotonic() - started), reason }] as const;
      } finally {
        timer?.cancel();
      }
    }),
  );
  const report = Object.fromEntries(results) as Record<string, { ok: boolean; ms: number; reason?: string }>;
  if (draining) report.draining = { ok: false, ms: 0, reason: 'shutting down' };
  const ready = Object.values(report).every((r) => r.ok);
  return { status: ready ? 'ready' : 'not-ready', checks: report };
}
