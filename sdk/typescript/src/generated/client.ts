// Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
import { type ClientOptions, type RequestOptions, type StreamEvent, type StreamOptions, Transport } from '../core.ts';

export type AccessToken = { readonly access_token: string; readonly token_type: "Bearer"; readonly expires_in: number; readonly scope: string; };
export type Amount = { readonly raw: string; readonly decimals: number; readonly formatted: string; };
export type ApiClient = { readonly id: string; readonly name: string; readonly scopes: readonly (string)[]; readonly allowedSigners: readonly (string)[]; readonly requestsPerMinute: number | null; readonly requestsPerDay: number | null; readonly requestsPerMonth: number | null; readonly createdAt: string; readonly disabledAt: string | null; };
export type AsOf = { readonly blockNumber: number; readonly blockHash: string; readonly blockTime: string; readonly finality: "latest" | "safe" | "finalized"; };
export type Attestation = { readonly uid: string; readonly schema: string | null; readonly schemaUid: string; readonly attester: string; readonly trusted: boolean; readonly attestedAt: string; readonly expiresAt: string | null; readonly revokedAt: string | null; readonly valid: boolean; readonly why: string; };
export type Balance = { readonly token: Token; readonly amount: Amount; readonly quote: Quote | null; };
export type Balances = { readonly address: string; readonly asOf: AsOf; readonly data: readonly (Balance)[]; };
export type BalancesV2 = { readonly wallet: { readonly address: string; readonly chainId: number; }; readonly asOf: AsOf; readonly balances: Readonly<Record<string, { readonly symbol: string; readonly name: string; readonly amount: Amount; readonly quote: Quote | null; }>>; };
export type ConsentRecord = { readonly id: string; readonly action: "grant" | "revoke"; readonly owner: string; readonly dataHash: string; readonly productId: string; readonly requesterId: string; readonly purpose: string | null; readonly expirationSeconds: string | null; readonly transactionId: string | null; readonly anchor: { readonly commitment: string; readonly salt: string | null; readonly transactionId: string | null; } | null; readonly recordedAt: string; };
export type ContractArgument = string | boolean | readonly (ContractArgument)[];
export type CreateTransaction = { readonly signer: string; readonly value?: string | undefined; readonly urgency?: "slow" | "standard" | "fast" | undefined; readonly purpose?: string | undefined; readonly contract: string; readonly function: string; readonly args: readonly (ContractArgument)[]; } | { readonly signer: string; readonly value?: string | undefined; readonly urgency?: "slow" | "standard" | "fast" | undefined; readonly purpose?: string | undefined; readonly to: string; readonly data?: string | undefined; };
export type Credential = { readonly id: string; readonly kind: "api-key" | "oauth-secret"; readonly label: string | null; readonly scopes: readonly (string)[] | null; readonly createdAt: string; readonly expiresAt: string | null; readonly revokedAt: string | null; readonly lastUsedAt: string | null; };
export type DataSubmission = { readonly owner: string; readonly ownerIdentity: string; readonly dataHash: string; readonly stage: Stage; readonly blockNumber: number; readonly blockTime: string; readonly transactionHash: string; };
export type EarningOpportunity = { readonly id: string; readonly title: string; readonly description: string; readonly criterion: "identity" | "data-submissions" | "permission-grants" | "linked-wallets" | "manual"; readonly target: number; readonly reward: Amount; readonly remaining: number | null; readonly startsAt: string; readonly endsAt: string | null; readonly standing: { readonly eligible: boolean; readonly progress: number; readonly why: readonly ({ readonly term: string; readonly holds: boolean; readonly why: string; })[]; readonly claim: RewardClaim | null; } | null; };
export type EffectivePermission = { readonly dataHash: string; readonly productId: string; readonly requesterId: string; readonly ownerIdentity: string | null; readonly effective: boolean; readonly deadline: string | null; readonly why: readonly ({ readonly term: "granted" | "requesterMatches" | "notExpired" | "notRevoked" | "identityLive"; readonly holds: boolean; readonly why: string; })[]; readonly asOf: AsOf; };
export type Identity = { readonly address: string; readonly registered: boolean; readonly tokenId: string | null; readonly tokenUri: string | null; readonly contract: string; };
export type IssuedCredential = { readonly credential: Credential; readonly secret: string | null; };
export type NftHolding = { readonly contract: { readonly name: string; readonly address: string; }; readonly tokenId: string; readonly owner: string; readonly standard: string; readonly amount: string; };
export type NftStatus = { readonly contract: { readonly name: string; readonly address: string; }; readonly tokenId: string; readonly exists: boolean; readonly owner: string | null; readonly soulbound: boolean; readonly tokenUri: string | null; };
export type Page = { readonly next: string | null; readonly hasMore: boolean; };
export type PartnerOffer = { readonly id: string; readonly partner: string; readonly title: string; readonly description: string; readonly price: Amount; readonly stock: number | null; readonly endsAt: string | null; };
export type Permission = { readonly dataHash: string; readonly productId: string; readonly requesterId: string; readonly ownerIdentity: string; readonly permissionHash: string; readonly purpose: string | null; readonly stage: Stage; readonly grantedAt: string; readonly revokedAt: string | null; readonly blockNumber: number; readonly transactionHash: string; };
export type PrepareTransaction = { readonly from: string; readonly contract: string; readonly function: string; readonly args: readonly (ContractArgument)[]; readonly value?: string | undefined; } | { readonly from: string; readonly to: string; readonly data?: string | undefined; readonly value?: string | undefined; } | { readonly cancels: string; };
export type PreparedTransaction = { readonly asOf: AsOf; readonly summary: string; readonly transaction: { readonly type: 2; readonly chainId: number; readonly from: string; readonly to: string; readonly nonce: number; readonly data: string; readonly value: string; readonly gasLimit: string; readonly maxFeePerGas: string; readonly maxPriorityFeePerGas: string; }; readonly fees: { readonly expected: Amount; readonly atMost: Amount; }; };
export type Problem = { readonly type: string; readonly title: string; readonly status: number; readonly detail: string; readonly code: "already_linked" | "amount_too_large" | "asset_not_accepted" | "authorization_expired" | "authorization_not_yet_valid" | "body_too_large" | "call_refused" | "callback_refused" | "chain_unavailable" | "conflict" | "deadline_exceeded" | "dependency_unavailable" | "dpop_invalid" | "dpop_replayed" | "dpop_required" | "draining" | "expired_token" | "forbidden" | "idempotency_in_progress" | "idempotency_key_required" | "idempotency_key_reused" | "insufficient_funds" | "insufficient_scope" | "internal_error" | "invalid_argument" | "invalid_cursor" | "invalid_request" | "invalid_scope" | "invalid_signature" | "invalid_token" | "job_too_large" | "malformed_json" | "method_not_allowed" | "nonce_reused" | "nonce_used" | "not_found" | "payer_not_accepted" | "policy_violation" | "precondition_failed" | "precondition_required" | "queue_full" | "rate_limited" | "refresh_token_reused" | "session_revoked" | "signature_malleable" | "snet_answer_lost" | "snet_payment_refused" | "snet_service_error" | "step_up_required" | "token_revoked" | "top_up_mismatch" | "transaction_reverted" | "unauthenticated" | "unsupported_media_type" | "wallet_refused" | "wallet_stuck" | "writes_paused" | "wrong_audience" | "wrong_chain" | "wrong_contract" | "wrong_signing_domain"; readonly retry: "same" | "later" | "elsewhere" | "never"; readonly requestId?: string | undefined; readonly errors?: readonly ({ readonly pointer: string; readonly rule: string; readonly detail: string; })[] | undefined; };
export type Progress = { readonly progress: number; };
export type PublishedOpportunity = { readonly id: string; readonly title: string; readonly description: string; readonly criterion: "identity" | "data-submissions" | "permission-grants" | "linked-wallets" | "manual"; readonly target: number; readonly reward: Amount; readonly remaining: number | null; readonly startsAt: string; readonly endsAt: string | null; };
export type Quote = { readonly currency: string; readonly price: string; readonly value: string; readonly quotedAt: string; readonly source: string; };
export type Readers = { readonly asOf: AsOf; readonly day: string; readonly data: readonly ({ readonly dataHash: string; readonly productId: string; readonly requesterId: string; readonly purpose: string | null; readonly from: string; readonly until: string | null; readonly endedBy: "deadline" | "revocation" | "identity" | null; })[]; };
export type Redemption = { readonly id: string; readonly offerId: string; readonly wallet: string; readonly state: "reserved" | "paid" | "confirmed" | "refunding" | "refunded" | "expired"; readonly price: Amount; readonly payment: { readonly token: string; readonly to: string; readonly from: string; readonly reservedUntil: string; readonly transactionHash: string | null; }; readonly settlementId: string | null; readonly reason: string | null; readonly createdAt: string; readonly updatedAt: string; };
export type RewardClaim = { readonly id: string; readonly opportunityId: string; readonly wallet: string; readonly reward: Amount; readonly transactionId: string | null; readonly claimedAt: string; };
export type Scope = "tokens:read" | "wallets:read" | "wallets:write" | "nfts:read" | "identities:write" | "data:read" | "data:write" | "permissions:read" | "permissions:write" | "transactions:read" | "transactions:write" | "rewards:read" | "rewards:claim" | "offers:read" | "offers:redeem" | "offers:manage" | "rewards:manage" | "usage:read" | "usage:write" | "clients:manage" | "people:any";
export type Stage = "pending" | "confirmed" | "finalized" | "reverted";
export type Token = { readonly symbol: string; readonly name: string; readonly address: string; readonly decimals: number; readonly chainId: number; };
export type Transaction = { readonly id: string; readonly chainId: number; readonly state: "queued" | "prepared" | "signed" | "submitted" | "included" | "confirmed" | "finalized" | "rejected" | "failed" | "cancelled" | "replaced"; readonly signer: { readonly alias: string; readonly address: string | null; }; readonly to: string | null; readonly contract: string | null; readonly function: string | null; readonly args: readonly (unknown)[] | null; readonly value: string; readonly nonce: number | null; readonly hash: string | null; readonly blockNumber: number | null; readonly blockHash: string | null; readonly confirmations: number; readonly error: { readonly code: string; readonly message: string; } | null; readonly purpose: string | null; readonly createdAt: string; readonly updatedAt: string; };
export type Transfer = { readonly id: string; readonly token: Token; readonly direction: "in" | "out" | "self"; readonly from: string; readonly to: string; readonly amount: Amount; readonly stage: Stage; readonly blockNumber: number; readonly blockHash: string; readonly blockTime: string; readonly transactionHash: string; readonly logIndex: number; };
export type TypedMessage = { readonly domain: { readonly name: string; readonly version: string; readonly chainId: number; readonly verifyingContract: string; }; readonly types: Readonly<Record<string, readonly ({ readonly name: string; readonly type: string; })[]>>; readonly primaryType: string; readonly message: Readonly<Record<string, string>>; };
export type Usage = { readonly day: { readonly limit: number | null; readonly used: number; readonly resetsAt: string; }; readonly month: { readonly limit: number | null; readonly used: number; readonly resetsAt: string; }; readonly analyticsOptOut: boolean; readonly data: readonly ({ readonly day: string; readonly operationId: string; readonly requests: number; readonly failed: number; readonly averageMs: number; })[]; };
export type UsageWebhook = { readonly type: "usage.recorded"; readonly timestamp: string; readonly data: { readonly events: readonly ({ readonly at: string; readonly caller: string; readonly callerKind: "person" | "client" | "anonymous"; readonly operationId: string; readonly status: number; readonly durationMs: number; })[]; }; };
export type Verification = { readonly address: string; readonly asOf: AsOf; readonly verified: boolean; readonly data: readonly (Attestation)[]; };
export type Wallet = { readonly address: string; readonly label: string | null; readonly proof: "signature" | "none"; readonly primary: boolean; readonly linkedAt: string; };
export type WalletChallenge = { readonly message: string; readonly expiresAt: string; };

/** One method per operation of the API. */
export class RejuveClient {
  readonly #transport: Transport;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
  }

  /** Cancel a transaction that is not mined yet. */
  cancelTransaction(id: string, options: RequestOptions = {}): Promise<Transaction> {
    return this.#transport.call({ method: 'POST', path: `/v1/transactions/${encodeURIComponent(id)}/cancel`, idempotent: true }, options);
  }

  /** Claim an earned reward. */
  claimReward(id: string, body: { readonly wallet: string; }, query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<RewardClaim> {
    return this.#transport.call({ method: 'POST', path: `/v1/earning-opportunities/${encodeURIComponent(id)}/claim`, query, body, idempotent: true }, options);
  }

  /** Confirm that you delivered; you are paid. */
  confirmRedemption(id: string, options: RequestOptions = {}): Promise<Redemption> {
    return this.#transport.call({ method: 'POST', path: `/v1/redemptions/${encodeURIComponent(id)}/confirm` }, options);
  }

  /** Create an API client. */
  createClient(body: { readonly name: string; readonly scopes: readonly (Scope)[]; readonly allowedSigners?: readonly (string)[] | undefined; readonly requestsPerMinute?: number | null | undefined; readonly requestsPerDay?: number | null | undefined; readonly requestsPerMonth?: number | null | undefined; }, options: RequestOptions = {}): Promise<ApiClient> {
    return this.#transport.call({ method: 'POST', path: `/v1/clients`, body, idempotent: true }, options);
  }

  /** Create an identity NFT with the signature of its owner. */
  createIdentity(body: { readonly owner: string; readonly kyc: string; readonly tokenUri: string; readonly nonce: string; readonly signature: string; }, options: RequestOptions = {}): Promise<Transaction> {
    return this.#transport.call({ method: 'POST', path: `/v1/identities`, body, idempotent: true }, options);
  }

  /** Ask for a transaction signed by a platform key. */
  createTransaction(body: CreateTransaction, options: RequestOptions = {}): Promise<Transaction> {
    return this.#transport.call({ method: 'POST', path: `/v1/transactions`, body, idempotent: true }, options);
  }

  /** Get the message that proves a wallet is yours. */
  createWalletChallenge(body: { readonly address: string; }, query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<WalletChallenge> {
    return this.#transport.call({ method: 'POST', path: `/v1/wallets/challenge`, query, body }, options);
  }

  /** Disable an API client with all its credentials. */
  disableClient(clientId: string, options: RequestOptions = {}): Promise<void> {
    return this.#transport.call({ method: 'DELETE', path: `/v1/clients/${encodeURIComponent(clientId)}` }, options);
  }

  /** Read an API client. */
  getClient(clientId: string, options: RequestOptions = {}): Promise<ApiClient> {
    return this.#transport.call({ method: 'GET', path: `/v1/clients/${encodeURIComponent(clientId)}` }, options);
  }

  /** May this requester use this data for this product now, and why. */
  getEffectivePermission(query: { readonly dataHash: string; readonly productId: string; readonly requesterId: string; }, options: RequestOptions = {}): Promise<EffectivePermission> {
    return this.#transport.call({ method: 'GET', path: `/v1/permissions/effective`, query }, options);
  }

  /** Whether a wallet has an identity NFT, and which. */
  getIdentity(address: string, options: RequestOptions = {}): Promise<{ readonly asOf: AsOf; readonly identity: Identity; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/identities/${encodeURIComponent(address)}` }, options);
  }

  /** Status of one NFT. */
  getNft(contract: string, tokenId: string, options: RequestOptions = {}): Promise<{ readonly asOf: AsOf; readonly nft: NftStatus; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/nfts/${encodeURIComponent(contract)}/${encodeURIComponent(tokenId)}` }, options);
  }

  /** Metadata of one NFT. */
  getNftMetadata(contract: string, tokenId: string, options: RequestOptions = {}): Promise<{ readonly asOf: AsOf; readonly tokenUri: string; readonly metadata: Readonly<Record<string, unknown>>; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/nfts/${encodeURIComponent(contract)}/${encodeURIComponent(tokenId)}/metadata` }, options);
  }

  /** Read a redemption. */
  getRedemption(id: string, options: RequestOptions = {}): Promise<Redemption> {
    return this.#transport.call({ method: 'GET', path: `/v1/redemptions/${encodeURIComponent(id)}` }, options);
  }

  /** Read one transaction. */
  getTransaction(id: string, options: RequestOptions = {}): Promise<Transaction> {
    return this.#transport.call({ method: 'GET', path: `/v1/transactions/${encodeURIComponent(id)}` }, options);
  }

  /** Read your usage and what is left of your quotas. */
  getUsage(query: { readonly from?: string | undefined; readonly to?: string | undefined; } = {}, options: RequestOptions = {}): Promise<Usage> {
    return this.#transport.call({ method: 'GET', path: `/v1/usage`, query }, options);
  }

  /** What trusted attesters say about a wallet. */
  getVerification(address: string, options: RequestOptions = {}): Promise<Verification> {
    return this.#transport.call({ method: 'GET', path: `/v1/wallets/${encodeURIComponent(address)}/verification` }, options);
  }

  /** Read the token balances of a wallet. @deprecated */
  getWalletBalances(address: string, query: { readonly token?: string | undefined; readonly quote?: string | undefined; } = {}, options: RequestOptions = {}): Promise<Balances> {
    return this.#transport.call({ method: 'GET', path: `/v1/wallets/${encodeURIComponent(address)}/balances`, query }, options);
  }

  /** Read the token balances of a wallet, keyed by token. */
  getWalletBalancesV2(address: string, query: { readonly token?: string | undefined; readonly quote?: string | undefined; } = {}, options: RequestOptions = {}): Promise<BalancesV2> {
    return this.#transport.call({ method: 'GET', path: `/v2/wallets/${encodeURIComponent(address)}/balances`, query }, options);
  }

  /** Grant a permission with the signature of the owner. */
  grantPermission(body: { readonly owner: string; readonly dataHash: string; readonly productId: string; readonly requesterId: string; readonly expiresInSeconds: string; readonly nonce: string; readonly purpose?: string | undefined; readonly signature: string; }, options: RequestOptions = {}): Promise<Transaction> {
    return this.#transport.call({ method: 'POST', path: `/v1/permissions`, body, idempotent: true }, options);
  }

  /** Issue an API key or an OAuth secret. */
  issueCredential(clientId: string, body: { readonly kind?: "api-key" | "oauth-secret" | undefined; readonly label?: string | null | undefined; readonly scopes?: readonly (Scope)[] | null | undefined; readonly expiresAt?: string | null | undefined; }, options: RequestOptions = {}): Promise<IssuedCredential> {
    return this.#transport.call({ method: 'POST', path: `/v1/clients/${encodeURIComponent(clientId)}/credentials`, body, idempotent: true }, options);
  }

  /** Link a wallet by proof. */
  linkWallet(body: { readonly message: string; readonly signature: string; readonly label?: string | undefined; }, query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<Wallet> {
    return this.#transport.call({ method: 'POST', path: `/v1/wallets`, query, body, idempotent: true }, options);
  }

  /** List API clients. */
  listClients(query: { readonly cursor?: string | undefined; readonly limit?: number | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly data: readonly (ApiClient)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/clients`, query }, options);
  }

  /** List what an owner agreed to and took back, newest first. */
  listConsentRecords(query: { readonly owner: string; readonly cursor?: string | undefined; readonly limit?: number | undefined; }, options: RequestOptions = {}): Promise<{ readonly data: readonly (ConsentRecord)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/permissions/history`, query }, options);
  }

  /** List the newest hundred credentials of a client, without secrets. */
  listCredentials(clientId: string, options: RequestOptions = {}): Promise<{ readonly data: readonly (Credential)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/clients/${encodeURIComponent(clientId)}/credentials` }, options);
  }

  /** List the data hashes that a wallet submitted, newest first. */
  listDataSubmissions(query: { readonly owner: string; readonly dataHash?: string | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined; }, options: RequestOptions = {}): Promise<{ readonly asOf: AsOf; readonly data: readonly (DataSubmission)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/data-submissions`, query }, options);
  }

  /** List what RJV can be earned for, and how far you are. */
  listEarningOpportunities(query: { readonly personId?: string | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly data: readonly (EarningOpportunity)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/earning-opportunities`, query }, options);
  }

  /** List the NFTs of an owner. */
  listNfts(query: { readonly owner: string; readonly contract?: string | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined; }, options: RequestOptions = {}): Promise<{ readonly asOf: AsOf; readonly data: readonly (NftHolding)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/nfts`, query }, options);
  }

  /** List what partners offer for RJV. */
  listPartnerOffers(query: { readonly cursor?: string | undefined; readonly limit?: number | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly data: readonly (PartnerOffer)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/partner-offers`, query }, options);
  }

  /** List a wallet's granted permissions, newest first. */
  listPermissions(query: { readonly owner: string; readonly dataHash?: string | undefined; readonly productId?: string | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined; }, options: RequestOptions = {}): Promise<{ readonly asOf: AsOf; readonly data: readonly (Permission)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/permissions`, query }, options);
  }

  /** Who could read what of yours on a day. */
  listReaders(query: { readonly owner: string; readonly day: string; }, options: RequestOptions = {}): Promise<Readers> {
    return this.#transport.call({ method: 'GET', path: `/v1/permissions/readers`, query }, options);
  }

  /** List your redemptions, newest first. */
  listRedemptions(query: { readonly personId?: string | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly data: readonly (Redemption)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/redemptions`, query }, options);
  }

  /** List the transactions you signed and sent, newest first. */
  listSubmittedTransactions(query: { readonly cursor?: string | undefined; readonly limit?: number | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly data: readonly (Transaction)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/transactions/submitted`, query }, options);
  }

  /** List the tokens that the platform knows. */
  listTokens(options: RequestOptions = {}): Promise<{ readonly data: readonly (Token)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/tokens` }, options);
  }

  /** List the transactions you asked for, newest first. */
  listTransactions(query: { readonly state?: "queued" | "prepared" | "signed" | "submitted" | "included" | "confirmed" | "finalized" | "rejected" | "failed" | "cancelled" | "replaced" | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly data: readonly (Transaction)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/transactions`, query }, options);
  }

  /** List the token transfers of a wallet, newest first. */
  listWalletTransfers(address: string, query: { readonly token?: string | undefined; readonly direction?: "in" | "out" | undefined; readonly counterparty?: string | undefined; readonly fromTime?: string | undefined; readonly toTime?: string | undefined; readonly fromBlock?: number | undefined; readonly toBlock?: number | undefined; readonly stage?: "pending" | "confirmed" | "finalized" | undefined; readonly cursor?: string | undefined; readonly limit?: number | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly asOf: AsOf; readonly data: readonly (Transfer)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/wallets/${encodeURIComponent(address)}/transfers`, query }, options);
  }

  /** List your linked and watched wallets. */
  listWallets(query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<{ readonly data: readonly (Wallet)[]; readonly page: Page; }> {
    return this.#transport.call({ method: 'GET', path: `/v1/wallets`, query }, options);
  }

  /** Tell the payment of a redemption. */
  payRedemption(id: string, body: { readonly transactionHash: string; }, options: RequestOptions = {}): Promise<Redemption> {
    return this.#transport.call({ method: 'POST', path: `/v1/redemptions/${encodeURIComponent(id)}/payment`, body, idempotent: true }, options);
  }

  /** Get the message with which an owner submits a data hash. */
  prepareDataSubmission(body: { readonly owner: string; readonly dataHash: string; }, options: RequestOptions = {}): Promise<TypedMessage> {
    return this.#transport.call({ method: 'POST', path: `/v1/data-submissions/prepare`, body }, options);
  }

  /** Get the message with which an owner asks for an identity. */
  prepareIdentity(body: { readonly owner: string; readonly kyc: string; readonly tokenUri: string; }, options: RequestOptions = {}): Promise<TypedMessage> {
    return this.#transport.call({ method: 'POST', path: `/v1/identities/prepare`, body }, options);
  }

  /** Get the message with which an owner grants a permission. */
  preparePermission(body: { readonly owner: string; readonly dataHash: string; readonly productId: string; readonly requesterId: string; readonly expiresInSeconds: string; }, options: RequestOptions = {}): Promise<TypedMessage> {
    return this.#transport.call({ method: 'POST', path: `/v1/permissions/prepare`, body }, options);
  }

  /** Prepare a transaction for your own wallet. */
  prepareTransaction(body: PrepareTransaction, options: RequestOptions = {}): Promise<PreparedTransaction> {
    return this.#transport.call({ method: 'POST', path: `/v1/transactions/prepare`, body }, options);
  }

  /** Publish an earning opportunity. */
  publishEarningOpportunity(body: { readonly title: string; readonly description: string; readonly criterion: "identity" | "data-submissions" | "permission-grants" | "linked-wallets" | "manual"; readonly target: number; readonly reward: string; readonly maxClaims?: number | null | undefined; readonly startsAt?: string | undefined; readonly endsAt?: string | null | undefined; }, options: RequestOptions = {}): Promise<PublishedOpportunity> {
    return this.#transport.call({ method: 'POST', path: `/v1/earning-opportunities`, body, idempotent: true }, options);
  }

  /** Publish an offer. */
  publishPartnerOffer(body: { readonly title: string; readonly description: string; readonly price: string; readonly payee: string; readonly stock?: number | null | undefined; readonly endsAt?: string | null | undefined; }, options: RequestOptions = {}): Promise<PartnerOffer> {
    return this.#transport.call({ method: 'POST', path: `/v1/partner-offers`, body, idempotent: true }, options);
  }

  /** Add to a person's progress on a manual opportunity. */
  recordProgress(id: string, body: { readonly personId: string; readonly amount: number; }, options: RequestOptions = {}): Promise<Progress> {
    return this.#transport.call({ method: 'POST', path: `/v1/earning-opportunities/${encodeURIComponent(id)}/progress`, body, idempotent: true }, options);
  }

  /** Reserve an offer. */
  redeemPartnerOffer(id: string, body: { readonly wallet: string; }, query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<Redemption> {
    return this.#transport.call({ method: 'POST', path: `/v1/partner-offers/${encodeURIComponent(id)}/redemptions`, query, body, idempotent: true }, options);
  }

  /** Refuse a paid redemption; the person is refunded. */
  refuseRedemption(id: string, body: { readonly reason: string; }, options: RequestOptions = {}): Promise<Redemption> {
    return this.#transport.call({ method: 'POST', path: `/v1/redemptions/${encodeURIComponent(id)}/refuse`, body }, options);
  }

  /** Revoke a credential. */
  revokeCredential(clientId: string, credentialId: string, options: RequestOptions = {}): Promise<void> {
    return this.#transport.call({ method: 'DELETE', path: `/v1/clients/${encodeURIComponent(clientId)}/credentials/${encodeURIComponent(credentialId)}` }, options);
  }

  /** Revoke a permission at once. */
  revokePermission(body: { readonly owner: string; readonly dataHash: string; readonly productId: string; readonly requesterId: string; readonly reason?: string | undefined; }, options: RequestOptions = {}): Promise<ConsentRecord> {
    return this.#transport.call({ method: 'POST', path: `/v1/permissions/revoke`, body }, options);
  }

  /** Issue a successor; the old one ends after an overlap. */
  rotateCredential(clientId: string, credentialId: string, body: { readonly overlapSeconds?: number | undefined; }, options: RequestOptions = {}): Promise<IssuedCredential> {
    return this.#transport.call({ method: 'POST', path: `/v1/clients/${encodeURIComponent(clientId)}/credentials/${encodeURIComponent(credentialId)}/rotate`, body, idempotent: true }, options);
  }

  /** Leave or rejoin usage analytics. */
  setAnalytics(body: { readonly optOut: boolean; }, options: RequestOptions = {}): Promise<{ readonly optOut: boolean; }> {
    return this.#transport.call({ method: 'PUT', path: `/v1/usage/analytics`, body }, options);
  }

  /**
   * Follow the states of a transaction: every event as it comes, over lost connections, until the server has no more.
   * @param options.lastEventId continues after an event that was seen before
   */
  streamTransaction(id: string, options: StreamOptions = {}): AsyncGenerator<StreamEvent<Transaction>, void> {
    return this.#transport.stream({ method: 'GET', path: `/v1/transactions/${encodeURIComponent(id)}/events` }, options);
  }

  /** Submit a data hash with the signature of its owner. */
  submitData(body: { readonly owner: string; readonly dataHash: string; readonly nonce: string; readonly signature: string; }, options: RequestOptions = {}): Promise<Transaction> {
    return this.#transport.call({ method: 'POST', path: `/v1/data-submissions`, body, idempotent: true }, options);
  }

  /** Send a transaction that you signed. */
  submitTransaction(body: { readonly rawTransaction: string; }, options: RequestOptions = {}): Promise<Transaction> {
    return this.#transport.call({ method: 'POST', path: `/v1/transactions/submit`, body, idempotent: true }, options);
  }

  /** Unlink a wallet, or stop watching it. */
  unlinkWallet(address: string, query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<void> {
    return this.#transport.call({ method: 'DELETE', path: `/v1/wallets/${encodeURIComponent(address)}`, query }, options);
  }

  /** Label a wallet, or make it the primary one. */
  updateWallet(address: string, body: { readonly label?: string | null | undefined; readonly primary?: true | undefined; }, query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<Wallet> {
    return this.#transport.call({ method: 'PATCH', path: `/v1/wallets/${encodeURIComponent(address)}`, query, body }, options);
  }

  /** Watch a wallet without proof. */
  watchWallet(body: { readonly address: string; readonly label?: string | undefined; }, query: { readonly personId?: string | undefined; } = {}, options: RequestOptions = {}): Promise<Wallet> {
    return this.#transport.call({ method: 'POST', path: `/v1/wallets/watch`, query, body }, options);
  }
}
