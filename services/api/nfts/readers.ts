/** One grant with all that can end it; times in milliseconds since the epoch, undefined where nothing ends it. */
export interface GrantInterval {
  readonly dataHash: string;
  readonly productId: string;
  readonly requesterId: string;
  readonly purpose: string | null;
  readonly grantedAt: number;
  /** When its own term ended; undefined when nobody can say. */
  readonly deadline: number | undefined;
  readonly revokedAt: number | undefined;
  /** When the owner's identity was burnt. */
  readonly identityEndedAt: number | undefined;
}

export interface Reader {
  readonly dataHash: string;
  readonly productId: string;
  readonly requesterId: string;
  readonly purpose: string | null;
  readonly from: string;
  /** Null: the end is not known, and lies after the day as far as we can tell. */
  readonly until: string | null;
  readonly endedBy: 'deadline' | 'revocation' | 'identity' | null;
}

/**
 * Who could read what at any moment of a day. A grant counts from its block to the first thing that ended it;
 * one whose term is unknown counts as open, because this answer is for owners who want to know the worst. Pure.
 * @param start first millisecond of the day; @param end first millisecond after it.
 */
export function readersOn(grants: readonly GrantInterval[], start: number, end: number): Reader[] {
  return grants.flatMap((grant) => {
    const ends = [
      { at: grant.deadline, by: 'deadline' as const },
      { at: grant.revokedAt, by: 'revocation' as const },
      { at: grant.identityEndedAt, by: 'identity' as const },
    ].filter(
      (one): one is { at: number; by: 'deadline' | 'revocation' | 'identity' } => one.at !== undefined,
    );
    const first = ends.sort((a, b) => a.at - b.at)[0];
    if (grant.grantedAt >= end || (first !== undefined && first.at <= start)) return [];
    return [
      {
        dataHash: grant.dataHash,
        productId: grant.productId,
        requesterId: grant.requesterId,
        purpose: grant.purpose,
        from: new Date(grant.grantedAt).toISOString(),
        until: first === undefined ? null : new Date(first.at).toISOString(),
        endedBy: first?.by ?? null,
      },
    ];
  });
}
