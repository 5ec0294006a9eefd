import { computeAddress, SigningKey, Transaction } from 'ethers';

// A key that everybody knows: its wallet holds nothing anywhere.
const KEY = new SigningKey(`0x${'01'.repeat(32)}`);
/** The wallet of the examples. */
export const WALLET = computeAddress(KEY);

/** One coin's worth of nothing, signed by the wallet. */
function signedTransaction(): string {
  const transaction = Transaction.from({
    type: 2,
    chainId: 31337,
    to: WALLET,
    nonce: 0,
    gasLimit: 21_000,
    maxFeePerGas: 2_000_000_000,
    maxPriorityFeePerGas: 1_000_000,
  });
  transaction.signature = KEY.sign(transaction.unsignedHash);
  return transaction.serialized;
}

export const UNKNOWN_ID = '00000000-0000-7000-8000-000000000000';

/** One valid request of an operation. */
export interface ExampleRequest {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly form?: string;
}

const signature = `0x${'11'.repeat(65)}`;
const dataHash = `0x${'cd'.repeat(32)}`;
const permission = { owner: WALLET, dataHash, productId: '7', requesterId: '1' };
const identity = { owner: WALLET, kyc: `0x${'ef'.repeat(32)}`, tokenUri: 'data:application/json,{}' };

/**
 * One valid request per operation, for the person `ada` with the wallet `WALLET`. They are published in the OpenAPI
 * document, and the authorisation matrix sends every one of them: a route without an example fails, and so does an
 * example that its schema refuses.
 */
export const EXAMPLE_REQUESTS: Readonly<Record<string, ExampleRequest>> = {
  listTokens: {},
  getWalletBalances: { path: { address: WALLET } },
  getWalletBalancesV2: { path: { address: WALLET } },
  listWalletTransfers: { path: { address: WALLET } },
  createWalletChallenge: { body: { address: WALLET } },
  linkWallet: { body: { message: `prove ${WALLET}`, signature } },
  watchWallet: { body: { address: '0x8888888888888888888888888888888888888888' } },
  listWallets: {},
  updateWallet: { path: { address: WALLET }, body: { label: 'Main' } },
  unlinkWallet: { path: { address: '0x9999999999999999999999999999999999999999' } },
  getVerification: { path: { address: WALLET } },
  createTransaction: {
    body: { signer: 'treasury', contract: 'RejuveToken', function: 'transfer', args: [WALLET, '1'] },
  },
  listTransactions: {},
  getTransaction: { path: { id: UNKNOWN_ID } },
  cancelTransaction: { path: { id: UNKNOWN_ID } },
  streamTransaction: { path: { id: UNKNOWN_ID } },
  prepareTransaction: { body: { from: WALLET, to: WALLET } },
  submitTransaction: { body: { rawTransaction: signedTransaction() } },
  listSubmittedTransactions: {},
  listNfts: { query: { owner: WALLET } },
  getNft: { path: { contract: 'IdentityToken', tokenId: '1' } },
  getNftMetadata: { path: { contract: 'IdentityToken', tokenId: '1' } },
  prepareIdentity: { body: identity },
  createIdentity: { body: { ...identity, nonce: '1', signature } },
  getIdentity: { path: { address: WALLET } },
  prepareDataSubmission: { body: { owner: WALLET, dataHash } },
  submitData: { body: { owner: WALLET, dataHash, nonce: '1', signature } },
  listDataSubmissions: { query: { owner: WALLET } },
  preparePermission: { body: { ...permission, expiresInSeconds: '3600' } },
  grantPermission: { body: { ...permission, expiresInSeconds: '3600', nonce: '1', signature } },
  listPermissions: { query: { owner: WALLET } },
  getEffectivePermission: { query: { dataHash, productId: '7', requesterId: '1' } },
  revokePermission: { body: permission },
  listConsentRecords: { query: { owner: WALLET } },
  listReaders: { query: { owner: WALLET, day: '2026-06-01' } },
  listEarningOpportunities: {},
  publishEarningOpportunity: {
    body: { title: 't', description: 'd', criterion: 'manual', target: 1, reward: '1' },
  },
  recordProgress: { path: { id: UNKNOWN_ID }, body: { personId: 'ada', amount: 1 } },
  claimReward: { path: { id: UNKNOWN_ID }, body: { wallet: WALLET } },
  listPartnerOffers: {},
  publishPartnerOffer: { body: { title: 't', description: 'd', price: '1', payee: WALLET } },
  redeemPartnerOffer: { path: { id: UNKNOWN_ID }, body: { wallet: WALLET } },
  listRedemptions: {},
  getRedemption: { path: { id: UNKNOWN_ID } },
  payRedemption: { path: { id: UNKNOWN_ID }, body: { transactionHash: `0x${'00'.repeat(32)}` } },
  confirmRedemption: { path: { id: UNKNOWN_ID } },
  refuseRedemption: { path: { id: UNKNOWN_ID }, body: { reason: 'out of stock' } },
  createClient: { body: { name: 'c', scopes: ['tokens:read'] } },
  listClients: {},
  getClient: { path: { clientId: 'bootstrap' } },
  disableClient: { path: { clientId: 'unknown' } },
  issueCredential: { path: { clientId: 'bootstrap' }, body: {} },
  listCredentials: { path: { clientId: 'bootstrap' } },
  rotateCredential: { path: { clientId: 'bootstrap', credentialId: 'unknown' }, body: {} },
  revokeCredential: { path: { clientId: 'bootstrap', credentialId: 'unknown' } },
  createAccessToken: { form: 'grant_type=client_credentials&client_id=x&client_secret=y' },
  revokeAccessToken: { form: 'token=x&client_id=x&client_secret=y' },
  getUsage: {},
  setAnalytics: { body: { optOut: false } },
};
