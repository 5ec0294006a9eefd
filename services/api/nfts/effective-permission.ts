/**
 * May this requester use this data for this product now? The chain alone cannot say: nothing revokes on chain, its
 * status stays "granted" after the deadline, and it is kept per product and not per requester. So every term is
 * decided here, from facts that somebody else collected. Pure.
 */

/** One grant as the chain's event tells it. */
export interface GrantEvent {
  readonly requesterId: string;
  readonly blockNumber: number;
  /** Milliseconds since the epoch. */
  readonly blockTime: number;
  readonly logIndex: number;
  readonly transactionHash: string;
  readonly stage: string;
  readonly dataOwnerId: string;
}

/** A consent record of ours that belongs to the asked permission. */
export interface ConsentFact {
  readonly seq: number;
  readonly action: 'grant' | 'revoke';
  /** Milliseconds since the epoch. */
  readonly recordedAt: number;
  readonly headBlock: number | null;
  readonly transactionHash: string | null;
  readonly expirationSeconds: bigint | null;
}

export interface PermissionFacts {
  readonly requesterId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** `getPermissionStatus`: 1 once granted, for ever. */
  readonly chainStatus: number;
  /** `getPermissionDeadline` in Unix seconds: of the latest grant for this data and product, whoever asked. */
  readonly chainDeadline: bigint;
  /** Grants of this data for this product to any requester, newest first. */
  readonly grants: readonly GrantEvent[];
  readonly consents: readonly ConsentFact[];
  readonly ownerIdentityLive: boolean;
  readonly requesterIdentityLive: boolean;
}

export interface Term {
  readonly term: 'granted' | 'requesterMatches' | 'notExpired' | 'notRevoked' | 'identityLive';
  readonly holds: boolean;
  readonly why: string;
}

export interface PermissionVerdict {
  readonly effective: boolean;
  /** ISO 8601, or null when none is known. */
  readonly deadline: string | null;
  readonly why: readonly Term[];
}

const iso = (seconds: bigint): string | null =>
  seconds > 0n && seconds < 8_640_000_000_000n ? new Date(Number(seconds) * 1000).toISOString() : null;

/**
 * The revocation that covers a grant, if any. A grant that was relayed by us is ordered against revocations by our
 * own sequence; of others only the block is known, and a revocation covers every block that existed when it was
 * recorded: when in doubt, the person's "no" wins.
 */
export function revocationOf(grant: GrantEvent, consents: readonly ConsentFact[]): ConsentFact | undefined {
  const own = consents.find((c) => c.action === 'grant' && c.transactionHash === grant.transactionHash);
  return consents
    .filter((c) => c.action === 'revoke')
    .find((revoke) => {
      if (own) return own.seq < revoke.seq;
      return (
        grant.blockTime <= revoke.recordedAt ||
        (revoke.headBlock !== null && grant.blockNumber <= revoke.headBlock)
      );
    });
}

/**
 * When a grant ends, in Unix seconds, or undefined when nobody can say. The chain keeps one deadline per product,
 * that of its latest grant; an earlier grant to another requester ends when its own message said.
 */
function deadlineOf(grant: GrantEvent, facts: PermissionFacts): bigint | undefined {
  if (grant === facts.grants[0]) return facts.chainDeadline;
  const own = facts.consents.find((c) => c.action === 'grant' && c.transactionHash === grant.transactionHash);
  return own?.expirationSeconds === null || own?.expirationSeconds === undefined
    ? undefined
    : BigInt(Math.floor(grant.blockTime / 1000)) + own.expirationSeconds;
}

/** @returns the verdict with every term, also when an earlier one has failed. */
export function decidePermission(facts: PermissionFacts): PermissionVerdict {
  const { requesterId, grants, now } = facts;
  const mine = grants.find((grant) => grant.requesterId === requesterId);
  const granted = facts.chainStatus === 1 && grants.length > 0;
  const deadline = mine && deadlineOf(mine, facts);
  const revoke = mine && revocationOf(mine, facts.consents);
  const expired = deadline === undefined || BigInt(now) >= deadline * 1000n;

  const why: Term[] = [
    {
      term: 'granted',
      holds: granted,
      why: granted
        ? `the chain says granted${mine ? `, in block ${mine.blockNumber} (${mine.stage})` : ''}`
        : 'no grant for this data and product is on the chain',
    },
    {
      term: 'requesterMatches',
      holds: mine !== undefined,
      why: mine
        ? `granted to requester ${requesterId}`
        : grants.length > 0
          ? 'granted to another requester only; the status on the chain does not tell them apart'
          : `no grant names requester ${requesterId}`,
    },
    {
      term: 'notExpired',
      holds: mine !== undefined && !expired,
      why: !mine
        ? 'there is no deadline without a grant'
        : deadline === undefined
          ? 'its deadline cannot be known: a later grant to another requester replaced it on the chain'
          : expired
            ? `ended at ${iso(deadline) ?? deadline}`
            : `ends at ${iso(deadline) ?? deadline}`,
    },
    {
      term: 'notRevoked',
      holds: revoke === undefined,
      why: revoke ? `revoked by the owner at ${new Date(revoke.recordedAt).toISOString()}` : 'not revoked',
    },
    {
      term: 'identityLive',
      holds: facts.ownerIdentityLive && facts.requesterIdentityLive,
      why: !facts.ownerIdentityLive
        ? "the owner's identity does not exist any more"
        : facts.requesterIdentityLive
          ? 'the identities of owner and requester exist'
          : "the requester's identity does not exist",
    },
  ];
  return {
    effective: why.every((term) => term.holds),
    deadline: deadline === undefined ? null : iso(deadline),
    why,
  };
}
