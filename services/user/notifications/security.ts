import type { Notice } from './matching.ts';

/** A notice about the account itself. It reaches every channel at once, whatever the preferences say. */
export function securityNotice(
  what: string,
  personId: string,
  reference: string,
  data: Readonly<Record<string, unknown>>,
  now: number,
): Notice {
  return {
    personId,
    eventKey: `security:${what}:${reference}`,
    type: `security.${what}`,
    // Not of the chain: nothing can take it back.
    stage: 'finalized',
    data,
    occurredAt: new Date(now),
  };
}
