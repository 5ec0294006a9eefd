import type { FlagDefinition } from '../../lib/flags.ts';

/** What operators can switch while the gateway runs. */
export const HEDGING_FLAG = {
  key: 'gateway-hedging',
  type: 'boolean',
  fallback: true,
  description: 'Late reads are sent a second time. Off where providers bill or throttle the second call.',
} as const satisfies FlagDefinition;

export const gatewayFlags: readonly FlagDefinition[] = [HEDGING_FLAG];
