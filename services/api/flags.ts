import type { FlagDefinition } from '../../lib/flags.ts';

/** What operators can switch while the API runs. */
export const WRITES_FLAG = {
  key: 'api-writes',
  type: 'boolean',
  fallback: true,
  description:
    'Requests that change something are taken. Off, they are answered with 503 and may be repeated later.',
} as const satisfies FlagDefinition;

export const apiFlags: readonly FlagDefinition[] = [WRITES_FLAG];
