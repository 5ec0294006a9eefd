import { OBJECTIVES } from '../../../lib/slo/objectives.ts';

/** What the panels draw, besides what objectives are made of. */
const SHOWN = [
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
  'nodejs_eventloop_lag_p99_seconds',
  'http_request_duration_seconds_count',
  'http_request_duration_seconds_bucket',
  'rpc_calls_total',
  'rpc_call_duration_seconds_bucket',
  'rpc_call_duration_seconds_count',
  'rpc_upstream_attempts_total',
  'rpc_served_head_block',
  'gateway_indexer_block',
  'gateway_event_log_seq',
  'chain_events_cursor',
  'gateway_transactions',
  'gateway_transaction_oldest_waiting_seconds',
  'gateway_transactions_included_total',
  'notifications_created_total',
  'deliveries_total',
  'notification_streams',
  'feature_flag_value',
  'feature_flags_file_mistakes',
  'rpcworkerpool_oldest_job_age_seconds',
  'rpcworkerpool_objective_seconds',
] as const;

function ofObjectives(): string[] {
  return OBJECTIVES.flatMap(({ indicator }): string[] => {
    if (indicator.kind === 'latency')
      return [`${indicator.histogram}_bucket`, `${indicator.histogram}_count`];
    if (indicator.kind === 'ratio') return [indicator.total.metric, indicator.bad.metric];
    return indicator.kind === 'invariant' ? [indicator.gauge.metric] : [];
  });
}

const WANTED: ReadonlySet<string> = new Set([...SHOWN, ...ofObjectives()]);

export const isWanted = (name: string): boolean => WANTED.has(name);
