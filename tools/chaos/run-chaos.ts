import { setTimeout as sleep } from 'node:timers/promises';
import type { PromiseNumber } from '../../lib/slo/objective.ts';
import type { FiringAlert, Prometheus } from '../monitoring/prometheus.ts';
import type { ChaosWorld, Fault } from './fault.ts';
import type { startProbes } from './probes.ts';
import type { startTransfers } from './transfers.ts';
import { type Cell, cellOf } from './verdicts.ts';

export interface FaultReport {
  readonly fault: Pick<Fault, 'id' | 'title' | 'like' | 'tolerates' | 'recoverWithinMs' | 'rehearsal'>;
  readonly cells: readonly Cell[];
  /** Alerts that began to fire during it. */
  readonly alerts: readonly string[];
  /** The fault itself could not be made. */
  readonly failed: string | undefined;
}

/** What looks are there before the first fault, so that each begins in good times. */
const QUIET_MS = 2_000;
/** Looks after the recovery that must be good. */
const WATCH_MS = 4_000;
/** Accepted transactions reach a block and are notified within this time after everything is well again. */
const SETTLE_MS = 60_000;
const REHEARSAL_SETTLE_MS = 10_000;

export const alertKey = ({ labels }: Pick<FiringAlert, 'labels'>): string =>
  [labels.alertname, labels.severity, labels.sloth_slo ?? labels.service ?? labels.name ?? labels.pool]
    .filter((part) => part !== undefined)
    .join(' / ');

/** Strikes with one fault under load, ends it, and judges what became of each promise. */
export async function runFault(deps: {
  readonly fault: Fault;
  readonly world: ChaosWorld;
  readonly probes: ReturnType<typeof startProbes>;
  readonly transfers: ReturnType<typeof startTransfers>;
  readonly prometheus?: Pick<Prometheus, 'alerts'> | undefined;
}): Promise<FaultReport> {
  const { fault, world, probes, transfers, prometheus } = deps;
  const alerts = new Set<string>();
  const before = new Set<string>();
  const lookAtAlerts = async (): Promise<void> => {
    const firing = (await prometheus?.alerts().catch(() => [])) ?? [];
    for (const alert of firing) if (alert.state === 'firing') alerts.add(alertKey(alert));
  };
  await sleep(QUIET_MS);
  await lookAtAlerts();
  // What fires already is the business of the fault before.
  for (const name of alerts) before.add(name);
  const watcher = setInterval(() => void lookAtAlerts(), 1_000);
  const from = performance.now();
  let failed: string | undefined;
  try {
    await fault.strike(world);
    await sleep(fault.holdMs);
  } catch (error) {
    failed = error instanceof Error ? error.message : String(error);
  }
  await fault.clear(world).catch((error: unknown) => {
    failed ??= `it could not be ended: ${String(error)}`;
  });
  const clearedAt = performance.now();
  const timed: PromiseNumber[] = [1, 3, 5, 6, 7];
  const cellsNow = (): Cell[] =>
    timed.map((promise) =>
      cellOf({
        promise,
        probes: probes.probes,
        from,
        clearedAt,
        until: performance.now(),
        tolerated: fault.tolerates.includes(promise),
        recoverWithinMs: fault.recoverWithinMs,
      }),
    );
  const settled = await transfers.settle(fault.rehearsal ? REHEARSAL_SETTLE_MS : SETTLE_MS, from - QUIET_MS);
  // The recovery is over when nothing bad was seen for a while, at the latest when its time is up.
  for (;;) {
    await sleep(500);
    const since = performance.now() - clearedAt;
    const last = Math.max(...cellsNow().map(({ recoveryMs }) => recoveryMs));
    if (since - last > WATCH_MS || since > fault.recoverWithinMs + 2 * WATCH_MS) break;
  }
  clearInterval(watcher);
  await lookAtAlerts();
  const count = transfers.accepted.filter(({ askedAt }) => askedAt >= from).length;
  const whole = (promise: PromiseNumber, missing: readonly { id: string }[]): Cell => ({
    promise,
    verdict: missing.length > 0 ? 'broken' : count === 0 ? 'unmeasured' : 'kept',
    good: count === 0 ? 1 : 1 - missing.length / count,
    looks: count,
    recoveryMs: settled.ms,
    detail: missing.length === 0 ? '' : `${missing.length} of those accepted: ${missing[0]?.id}`,
  });
  return {
    fault,
    cells: [...cellsNow(), whole(2, settled.lost), whole(4, settled.unnotified)].sort(
      (a, b) => a.promise - b.promise,
    ),
    alerts: [...alerts].filter((name) => !before.has(name) && !name.startsWith('Watchdog')).sort(),
    failed,
  };
}

/** True when every promise was kept or recovered, and the fault really struck. */
export const survived = (report: FaultReport): boolean =>
  report.failed === undefined &&
  (report.fault.rehearsal === true ||
    report.cells.every(({ verdict }) => verdict === 'kept' || verdict === 'recovered'));
