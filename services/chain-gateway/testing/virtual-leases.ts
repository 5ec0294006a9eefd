import type { Clock } from '../../../lib/time.ts';
import type { LeaseAnswer, LeaseSource } from '../admission/limits/lease-source.ts';

/** The shared buckets without Redis: the same arithmetic as the script, reached after a delay, or not at all. */
export function createVirtualLeases(
  clock: Pick<Clock, 'monotonic' | 'sleep'>,
  delayMs: () => number,
): { processFor(id: string): LeaseSource; away: boolean; trips: number; leased: Map<string, number> } {
  const buckets = new Map<string, { units: number; at: number }>();
  const seen = new Map<string, number>();
  const world = {
    away: false,
    trips: 0,
    /** Units that left each bucket, returned ones taken off. */
    leased: new Map<string, number>(),
    processFor: (id: string): LeaseSource => ({
      async lease(requests): Promise<LeaseAnswer> {
        world.trips++;
        await clock.sleep(delayMs());
        if (world.away) throw new Error('away');
        const now = clock.monotonic();
        seen.set(id, now);
        const leases = requests.map(({ bucket, limit, units }) => {
          const state = buckets.get(bucket) ?? { units: limit.burst, at: now };
          state.units = Math.min(
            limit.burst,
            state.units + ((now - state.at) * limit.unitsPerSecond) / 1_000,
          );
          state.at = now;
          const granted = units < 0 ? units : Math.max(0, Math.min(units, state.units));
          state.units = Math.min(limit.burst, state.units - granted);
          buckets.set(bucket, state);
          world.leased.set(bucket, (world.leased.get(bucket) ?? 0) + granted);
          return { granted, left: state.units };
        });
        await clock.sleep(delayMs());
        return { leases, processes: [...seen.values()].filter((at) => now - at < 10_000).length };
      },
    }),
  };
  return world;
}
