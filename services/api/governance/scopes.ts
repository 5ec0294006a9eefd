/** Every scope a credential can hold, with the sentence that the documentation shows. */
export const SCOPES = {
  'tokens:read': 'Read token balances, transfers and the token list.',
  'wallets:read': 'List linked wallets.',
  'wallets:write': 'Link, label and unlink wallets.',
  'nfts:read': 'Read NFT status, metadata and verification.',
  'identities:write': 'Relay a signed request that creates an identity NFT.',
  'data:read': 'List data submissions of an owner.',
  'data:write': 'Relay a signed data submission.',
  'permissions:read': 'Read permissions, their history and the effective answer.',
  'permissions:write': 'Relay a signed permission grant, or revoke one.',
  'transactions:read': 'Read transactions that the caller asked for.',
  'transactions:write': 'Prepare, submit and cancel transactions.',
  'rewards:read': 'List earning opportunities and progress.',
  'rewards:claim': 'Claim a reward that has been earned.',
  'offers:read': 'List partner offers and redemptions.',
  'offers:redeem': 'Reserve and pay for partner offers.',
  'offers:manage': 'Publish offers and confirm or refuse their redemptions.',
  'rewards:manage': 'Publish earning opportunities and record progress towards them.',
  'usage:read': "Read the caller's own usage and quotas.",
  'usage:write': 'Choose whether usage analytics are kept for the caller.',
  'clients:manage': 'Create API clients, issue, rotate and revoke their credentials.',
  'people:any': 'Act for any person; for the backend of the app only.',
} as const satisfies Record<string, string>;

export type Scope = keyof typeof SCOPES;

export const SCOPE_NAMES = Object.keys(SCOPES) as [Scope, ...Scope[]];

/** What only a client (API key or OAuth token) may hold, never a person's own session. */
const CLIENT_ONLY: ReadonlySet<Scope> = new Set([
  'offers:manage',
  'rewards:manage',
  'clients:manage',
  'people:any',
]);

/** What a signed-in person may do with her own things. */
export const PERSON_SCOPES: ReadonlySet<Scope> = new Set(
  SCOPE_NAMES.filter((scope) => !CLIENT_ONLY.has(scope)),
);

const known: ReadonlySet<string> = new Set(SCOPE_NAMES);
export const isScope = (value: string): value is Scope => known.has(value);

/**
 * The scopes of a person's access token. A token of the app names none of ours and holds all that a person has;
 * a token that names some of ours was narrowed on purpose and holds those only.
 */
export function personScopes(claim: string | undefined): ReadonlySet<Scope> {
  const named = (claim ?? '').split(' ').filter(isScope);
  if (named.length === 0) return PERSON_SCOPES;
  return new Set(named.filter((scope) => PERSON_SCOPES.has(scope)));
}
