import { randomBytes } from 'node:crypto';
import { id as keccakText, Wallet } from 'ethers';

/**
 * Sign once, exchange, call many times at once. Runs against `make up`:
 *
 *   node tools/examples/call-token.ts [gateway URL] [verifying contract]
 *
 * The verifying contract is RejuveToken of the chain; the gateway names it when another was signed for.
 */
const gateway = process.argv[2] ?? 'http://127.0.0.1:4000';
// A throw-away payer; in production the backend's own wallet, or a contract wallet (ERC-1271).
const payer = process.env.PAYER_KEY ? new Wallet(process.env.PAYER_KEY) : Wallet.createRandom();

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${gateway}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: an example shows what comes back.
  const answer = (await response.json()) as any;
  if (!response.ok) throw new Error(`${path}: ${response.status} ${answer.code}: ${answer.detail}`);
  return answer;
}

const chainId = Number(
  (await post('/rpc', { jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] })).result,
);
const verifyingContract = process.argv[3];
if (verifyingContract === undefined) {
  console.error(
    'Name the verifying contract, the address of RejuveToken; `make up` writes it to .state/contracts-31337.json:\n' +
      `  node tools/examples/call-token.ts ${gateway} 0x…`,
  );
  process.exit(2);
}

const scope = `read chain:${chainId}`;
const now = Math.floor(Date.now() / 1000);
const domain = { name: 'Rejuve Call Tokens', version: '1', chainId, verifyingContract };
const authorization = {
  payer: payer.address,
  asset: '0x0000000000000000000000000000000000000000', // budget in compute units; or RejuveToken, in its smallest unit
  maxAmount: '1000000',
  maxPerCall: '1000',
  maxInFlight: '64',
  audience: keccakText('rejuve-gateway'),
  scopeHash: keccakText(scope),
  jkt: `0x${'00'.repeat(32)}`, // or the thumbprint of a DPoP key
  validAfter: String(now - 5),
  validBefore: String(now + 3_600),
  nonce: `0x${randomBytes(32).toString('hex')}`,
};
const signature = await payer.signTypedData(
  domain,
  {
    SpendAuthorization: [
      { name: 'payer', type: 'address' },
      { name: 'asset', type: 'address' },
      { name: 'maxAmount', type: 'uint256' },
      { name: 'maxPerCall', type: 'uint256' },
      { name: 'maxInFlight', type: 'uint32' },
      { name: 'audience', type: 'bytes32' },
      { name: 'scopeHash', type: 'bytes32' },
      { name: 'jkt', type: 'bytes32' },
      { name: 'validAfter', type: 'uint64' },
      { name: 'validBefore', type: 'uint64' },
      { name: 'nonce', type: 'bytes32' },
    ],
  },
  authorization,
);

const issued = await post('/v1/call-tokens', {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token: { domain, authorization, scope, signature },
  subject_token_type: 'urn:rejuve:params:oauth:token-type:spend-authorization',
});
const bearer = { authorization: `Bearer ${issued.access_token}` };
console.log(`token for ${issued.expires_in} s, budget ${issued.allotment.id}`);

const answers = await Promise.all(
  Array.from({ length: 20 }, (_, i) =>
    post(
      `/rpc/${chainId}`,
      { jsonrpc: '2.0', id: i, method: 'eth_getBalance', params: [Wallet.createRandom().address, 'latest'] },
      bearer,
    ),
  ),
);
console.log(
  `${answers.filter((answer) => 'result' in answer).length} of ${answers.length} calls answered at once`,
);

// Calls are posted within a second.
await new Promise((resolve) => setTimeout(resolve, 1_000));
const usage = await fetch(`${gateway}/v1/call-tokens/${issued.allotment.id}`, { headers: bearer }).then((r) =>
  r.json(),
);
console.log(`spent ${usage.allotment.spent} of ${usage.allotment.authorized} compute units`);
await post(`/v1/call-tokens/${issued.allotment.id}/revoke`, {}, bearer);
console.log('revoked');
