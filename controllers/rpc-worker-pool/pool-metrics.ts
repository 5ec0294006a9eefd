import type { Gauge, Metrics } from '../../lib/metrics.ts';
import type { Decision } from './decide.ts';
import type { Observation } from './observation.ts';

/** What a pool shows to Prometheus; `what-if` reads its recordings back from the same series. */
export interface PoolMetrics {
  decided(pool: string, seen: Observation, decision: Decision): void;
  scaled(event: { pool: string; from: number; to: number; lagMs: number }): void;
  /** The pool was deleted: its series end. */
  forget(pool: string): void;
}

/** The reasons for which a scale can be held; a fixed set, so that every series exists from the start. */
const HOLDS = ['QueueUnreadable', 'QueuePaused', 'ProvidersDown', 'CompetingAutoscaler'] as const;

export function createPoolMetrics(metrics: Metrics): PoolMetrics {
  const gauge = (name: string, help: string) =>
    metrics.gauge({ name: `rpcworkerpool_${name}`, help, labels: ['namespace', 'pool'] });
  const gauges = {
    wanted: gauge('replicas', 'spec.replicas of the target.'),
    ready: gauge('ready_replicas', 'Ready replicas of the target.'),
    desired: gauge('desired_replicas', 'What the last decision asked for.'),
    backlog: gauge('backlog_jobs', 'Jobs waiting.'),
    age: gauge('oldest_job_age_seconds', 'Age of the oldest waiting job.'),
    objective: gauge('objective_seconds', 'The age that no job should reach.'),
    arrivals: gauge('arrivals_per_second', 'Arrivals, the larger of the fast and the slow average.'),
    service: gauge('service_seconds', 'Time one job occupies a slot.'),
  };
  const held = metrics.gauge({
    name: 'rpcworkerpool_held',
    help: '1 while the scale is held for this reason.',
    labels: ['namespace', 'pool', 'reason'],
  });
  const lag = metrics.histogram({
    name: 'rpcworkerpool_scale_lag_seconds',
    help: 'From the look at the queue that decided to the answer of the scale call.',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  });
  const changes = metrics.counter({
    name: 'rpcworkerpool_scale_changes_total',
    help: 'Changes of the scale.',
    labels: ['namespace', 'pool', 'direction'],
  });
  const labelsOf = (key: string) => {
    const [namespace = '', pool = ''] = key.split('/');
    return { namespace, pool };
  };

  return {
    decided(key, seen, decision) {
      const labels = labelsOf(key);
      const set = (target: Gauge<'namespace' | 'pool'>, value: number): void => target.set(labels, value);
      set(gauges.wanted, seen.replicas.wanted);
      set(gauges.ready, seen.replicas.ready);
      set(gauges.desired, decision.replicas);
      set(gauges.objective, decision.objectiveSeconds);
      if (seen.queue.readable) {
        set(gauges.backlog, seen.queue.reading.waiting);
        set(gauges.age, seen.queue.reading.oldestAgeSeconds);
      }
      if (decision.estimates) {
        set(gauges.arrivals, decision.estimates.arrivalsPerSecond);
        set(gauges.service, decision.estimates.serviceSeconds);
      }
      for (const reason of HOLDS) held.set({ ...labels, reason }, decision.hold === reason ? 1 : 0);
    },
    scaled({ pool, from, to, lagMs }) {
      lag.observe(lagMs / 1000);
      changes.inc({ ...labelsOf(pool), direction: to > from ? 'up' : 'down' });
    },
    forget(key) {
      const labels = labelsOf(key);
      for (const target of Object.values(gauges)) target.remove(labels);
      for (const reason of HOLDS) held.remove({ ...labels, reason });
      for (const direction of ['up', 'down']) changes.remove({ ...labels, direction });
    },
  };
}
