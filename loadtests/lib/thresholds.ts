import { OBJECTIVES } from '../../lib/slo/objectives.ts';

/** What a scenario does, and so what it can be judged by. */
export type Part = 'api' | 'user' | 'rpc' | 'transactions' | 'notifications' | 'websocket';

const objective = (id: string) => {
  const found = OBJECTIVES.find((o) => o.id === id);
  if (!found) throw new Error(`there is no objective ${id}`);
  return found;
};
const allowedErrors = (id: string): number => Number((1 - (objective(id).target ?? 0)).toFixed(6));
const latency = (id: string): string => {
  const { indicator, target = 0 } = objective(id);
  if (indicator.kind !== 'latency') throw new Error(`${id} is no latency`);
  return `p(${target * 100})<${indicator.thresholdSeconds * 1000}`;
};

/**
 * The thresholds of one part, from the objectives. A threshold on a metric without samples passes, so each comes with
 * one on a count: a run that sent nothing fails.
 */
function thresholdsOfPart(part: Part): Record<string, string[]> {
  switch (part) {
    case 'api':
    case 'user':
      return {
        [`http_req_duration{slo:${part}}`]: [latency(`${part}-latency`)],
        [`http_req_failed{slo:${part}}`]: [`rate<${allowedErrors(`${part}-errors`)}`],
        [`http_reqs{slo:${part}}`]: ['count>0'],
      };
    case 'rpc':
      return {
        'http_req_duration{slo:rpc}': [latency('rpc-latency')],
        rpc_failed: [`rate<${allowedErrors('rpc-errors')}`],
        'http_reqs{slo:rpc}': ['count>0'],
      };
    case 'transactions':
      return {
        transactions_succeeded: [`rate>${objective('transaction-success').target}`],
        transactions_decided: ['count>0'],
      };
    case 'notifications':
      return {
        // The invariant: all of them, not most of them.
        notified: ['rate>=1'],
        notification_delay: [latency('notifications-timely')],
        notifications_expected: ['count>0'],
      };
    case 'websocket':
      return { websocket_failed: ['rate<0.001'], websocket_heads: ['count>0'] };
  }
}

/** Thresholds of everything that a scenario does. */
export function thresholdsOf(parts: readonly Part[]): Record<string, string[]> {
  return Object.assign({ checks: ['rate>0.999'] }, ...parts.map(thresholdsOfPart)) as Record<
    string,
    string[]
  >;
}
