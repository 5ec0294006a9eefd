import type { Metrics } from '../../lib/metrics.ts';
import type { WorkQueue, WorkQueueObserver } from './work-queue.ts';

/** The series that controller-runtime publishes, under its names, so that existing dashboards and alerts fit. */
export interface ControllerMetrics {
  queueObserver(name: string): WorkQueueObserver;
  watchQueue(name: string, queue: Pick<WorkQueue, 'depth'>, concurrency: number): void;
  started(controller: string): void;
  finished(controller: string, result: 'success' | 'requeue_after' | 'error', ms: number): void;
  apiAnswer(answer: { method: string; status: number; verb: string; resource: string }): void;
  relisted(kind: string): void;
  leader(name: string, leads: boolean): void;
}

const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createControllerMetrics(metrics: Metrics): ControllerMetrics {
  const reconcileTotal = metrics.counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Reconciles per controller and result.',
    labels: ['controller', 'result'],
  });
  const reconcileErrors = metrics.counter({
    name: 'controller_runtime_reconcile_errors_total',
    help: 'Reconciles that failed.',
    labels: ['controller'],
  });
  const reconcileTime = metrics.histogram({
    name: 'controller_runtime_reconcile_time_seconds',
    help: 'Duration of one reconcile.',
    labels: ['controller'],
    buckets: SECONDS,
  });
  const activeWorkers = metrics.gauge({
    name: 'controller_runtime_active_workers',
    help: 'Reconciles running now.',
    labels: ['controller'],
  });
  const maxConcurrent = metrics.gauge({
    name: 'controller_runtime_max_concurrent_reconciles',
    help: 'Reconciles that may run at the same time.',
    labels: ['controller'],
  });
  const queues = new Map<string, Pick<WorkQueue, 'depth'>>();
  metrics.gauge({
    name: 'workqueue_depth',
    help: 'Keys that wait.',
    labels: ['name'],
    collect: (gauge) => {
      for (const [name, queue] of queues) gauge.set({ name }, queue.depth);
    },
  });
  const adds = metrics.counter({ name: 'workqueue_adds_total', help: 'Keys added.', labels: ['name'] });
  const retries = metrics.counter({
    name: 'workqueue_retries_total',
    help: 'Keys added again after a failure.',
    labels: ['name'],
  });
  const waited = metrics.histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key waited.',
    labels: ['name'],
    buckets: SECONDS,
  });
  const worked = metrics.histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long a key was worked on.',
    labels: ['name'],
    buckets: SECONDS,
  });
  const requests = metrics.counter({
    name: 'rest_client_requests_total',
    help: 'Answers of the API server; code 0 means no answer.',
    labels: ['code', 'method', 'verb', 'resource'],
  });
  const relists = metrics.counter({
    name: 'informer_relists_total',
    help: 'Full lists by informers.',
    labels: ['kind'],
  });
  const leads = metrics.gauge({
    name: 'leader_election_master_status',
    help: '1 while this process leads.',
    labels: ['name'],
  });

  return {
    queueObserver: (name) => ({
      onAdd: () => adds.inc({ name }),
      onStart: (ms) => waited.observe({ name }, ms / 1000),
      onDone: (ms) => worked.observe({ name }, ms / 1000),
      onRetry: () => retries.inc({ name }),
    }),
    watchQueue(name, queue, concurrency) {
      queues.set(name, queue);
      maxConcurrent.set({ controller: name }, concurrency);
      activeWorkers.set({ controller: name }, 0);
    },
    started: (controller) => activeWorkers.inc({ controller }),
    finished(controller, result, ms) {
      activeWorkers.dec({ controller });
      reconcileTotal.inc({ controller, result });
      if (result === 'error') reconcileErrors.inc({ controller });
      reconcileTime.observe({ controller }, ms / 1000);
    },
    apiAnswer: ({ method, status, verb, resource }) =>
      requests.inc({ code: String(status), method, verb, resource }),
    relisted: (kind) => relists.inc({ kind }),
    leader: (name, value) => leads.set({ name }, value ? 1 : 0),
  };
}
