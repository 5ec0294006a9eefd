/** What decides whether a person may claim. Pure; times in milliseconds since the epoch. */
export interface EligibilityFacts {
  readonly now: number;
  readonly startsAt: number;
  readonly endsAt: number | null;
  readonly target: number;
  readonly progress: number;
  readonly maxClaims: number | null;
  readonly claims: number;
  readonly claimedByPerson: boolean;
  readonly linkedWallets: number;
}

export interface EligibilityTerm {
  readonly term: 'open' | 'available' | 'not-claimed' | 'wallet' | 'progress';
  readonly holds: boolean;
  readonly why: string;
}

/** Every term, also when an earlier one fails, so that a person sees all that is missing. */
export function decideEligibility(facts: EligibilityFacts): { eligible: boolean; why: EligibilityTerm[] } {
  const { now, startsAt, endsAt, target, progress, maxClaims, claims } = facts;
  const open = now >= startsAt && (endsAt === null || now < endsAt);
  const available = maxClaims === null || claims < maxClaims;
  const why: EligibilityTerm[] = [
    {
      term: 'open',
      holds: open,
      why: open
        ? 'open now'
        : now < startsAt
          ? `opens at ${new Date(startsAt).toISOString()}`
          : 'it has ended',
    },
    { term: 'available', holds: available, why: available ? 'rewards are left' : 'all rewards are claimed' },
    {
      term: 'not-claimed',
      holds: !facts.claimedByPerson,
      why: facts.claimedByPerson ? 'claimed already' : 'not claimed yet',
    },
    {
      term: 'wallet',
      holds: facts.linkedWallets > 0,
      why: facts.linkedWallets > 0 ? 'a wallet is linked' : 'link a wallet to be paid to',
    },
    { term: 'progress', holds: progress >= target, why: `${Math.min(progress, target)} of ${target} done` },
  ];
  return { eligible: why.every((term) => term.holds), why };
}
