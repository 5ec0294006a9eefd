import { createServiceAuth, type ServiceName } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import type { FaultInput } from '../../simulator/faults.ts';

const SECRET = 'bench-secret-of-more-than-thirty-two-characters';

/** Settings of a gateway that tells callers apart. */
export const CALLERS_ENV = { SERVICE_AUTH_KEYS: `bench:${SECRET}` } as const;

/** Headers of calls in the name of one of our services; good for a minute. */
export async function callerHeaders(
  self: ServiceName,
  priority: 'interactive' | 'standard' | 'background' = 'standard',
): Promise<Record<string, string>> {
  const auth = createServiceAuth({ self, keys: [{ kid: 'bench', secret: SECRET }], clock: systemClock });
  return { authorization: `Bearer ${await auth.sign('gateway')}`, 'x-priority': priority };
}

/** A provider that works on so many reads at once; more of them wait inside it. */
export const busyProvider = (slots: number, ms: number): readonly FaultInput[] => [
  { type: 'capacity', slots, ms, methods: ['eth_getBalance'] },
];
