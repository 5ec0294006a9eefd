import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { AbiCoder, concat, getCreate2Address, keccak256, Signature, Wallet, ZeroHash } from 'ethers';
import { decodeJwt } from 'jose';
import { createServiceAuth } from '../../../../lib/service-auth.ts';
import { systemClock } from '../../../../lib/time.ts';
import { freePort } from '../../../../tools/stack/parts/free-port.ts';
import { eventually } from '../../../../tools/testing/eventually.ts';
import { startTestChain, type TestChain } from '../../../../tools/testing/test-chain.ts';
import { deployTestContracts } from '../../../../tools/testing/test-contracts.ts';
import { createTestPostgres, type TestPostgres } from '../../../../tools/testing/test-postgres.ts';
import { createTestRedis, type TestRedis } from '../../../../tools/testing/test-redis.ts';
import { createDpopKey, exchangeBody, type SpendWishes, signSpend } from '../../testing/spend-client.ts';
import { startGatewayProcess, type TestProcess } from '../../testing/start-process.ts';

jest.setTimeout(180_000);

const secret = 'a-secret-of-at-least-thirty-two-characters';
/** Contract wallets as bare code: they say yes, say no, revert, and loop for ever. */
const WALLET_CODE = {
  yes: '0x631626ba7e60e01b60005260206000f3',
  no: '0x60206000f3',
  reverts: '0x60006000fd',
  loops: '0x5b600056',
} as const;
const addressOf = (kind: keyof typeof WALLET_CODE): string =>
  `0x${Buffer.from(kind.padEnd(20, '.')).toString('hex')}`;
/** The deterministic deployment proxy that development nodes start with. */
const FACTORY = '0x4e59b44847b379578588920ca78fbf26c0b4956c';

let chain: TestChain;
let database: TestPostgres;
let redis: TestRedis;
let gateway: TestProcess;
let other: TestProcess;
let worker: TestProcess;
let at: { chainId: number; verifyingContract: string };
let serviceToken: string;
const payer = Wallet.createRandom();

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, judged by the expectations.
  body: any;
  readonly units?: number;
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  // What the call did cost: a retry on a busy machine is charged, too.
  const units = Number(response.headers.get('x-compute-units') ?? 0);
  return { status: response.status, body: await response.json(), units };
}
const get = async (url: string, authorization: string): Promise<Answer> => {
  const response = await fetch(url, { headers: { authorization } });
  return { status: response.status, body: await response.json() };
};
const exchange = async (wishes: SpendWishes = {}, extra: object = {}): Promise<Answer> =>
  post(`${gateway.url}/v1/call-tokens`, exchangeBody(await signSpend(payer, at, wishes), extra));

let calls = 0;
/** A call that no cache knows yet. */
const rpc = (
  token: string,
  method = 'eth_getBalance',
  headers: Record<string, string> = {},
  url = gateway.url,
) => {
  calls += 1;
  const address = `0x${calls.toString(16).padStart(40, '0')}`;
  const params = method === 'eth_sendRawTransaction' ? ['0x02'] : [address, 'latest'];
  return post(
    `${url}/rpc/31337`,
    { jsonrpc: '2.0', id: 1, method, params },
    { authorization: `Bearer ${token}`, ...headers },
  );
};

async function spentOf(id: string): Promise<number> {
  // Everything that ended is posted within a few passes of the worker.
  await new Promise((resolve) => setTimeout(resolve, 400));
  return Number(
    (await get(`${gateway.url}/v1/call-tokens/${id}`, `Bearer ${serviceToken}`)).body.allotment.spent,
  );
}

beforeAll(async () => {
  [chain, database, redis] = await Promise.all([startTestChain(), createTestPostgres(), createTestRedis()]);
  const manifestFile = join(mkdtempSync(join(tmpdir(), 'tokens-')), 'contracts.json');
  const manifest = await deployTestContracts(chain, manifestFile);
  for (const [kind, code] of Object.entries(WALLET_CODE))
    await chain.rpc('anvil_setCode', [addressOf(kind as keyof typeof WALLET_CODE), code]);
  at = { chainId: 31_337, verifyingContract: manifest.contracts.RejuveToken?.address as string };
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: 'tokens',
    SERVICE_AUTH_KEYS: `test:${secret}`,
    RPC_URLS: chain.url,
    CHAIN_ID: '31337',
    CONTRACTS_FILE: manifestFile,
    CALL_TOKEN_PAYERS: [
      payer.address,
      ...Object.keys(WALLET_CODE).map((k) => addressOf(k as 'yes')),
      counterfactual(),
    ].join(','),
    LOG_LEVEL: 'warn',
  };
  [gateway, other, worker] = await Promise.all([
    startGatewayProcess('main.ts', env, await freePort()),
    startGatewayProcess('main.ts', env, await freePort()),
    startGatewayProcess('worker.ts', env, await freePort()),
  ]);
  serviceToken = await createServiceAuth({
    self: 'api',
    keys: [{ kid: 'test', secret }],
    clock: systemClock,
  }).sign('gateway');
});

afterAll(async () => {
  await Promise.all([gateway?.stop(), other?.stop(), worker?.stop()]);
  await Promise.all([chain?.stop(), database?.drop(), redis?.drop()]);
});

/** Code that deploys the accepting wallet, and where it will be. */
function initCode(): string {
  const code = WALLET_CODE.yes.slice(2);
  const length = (code.length / 2).toString(16).padStart(2, '0');
  return `0x60${length}600c60003960${length}6000f3${code}`;
}
function counterfactual(): string {
  return getCreate2Address(FACTORY, ZeroHash, keccak256(initCode()));
}

describe('call tokens on the wire', () => {
  it('turns one signature into many concurrent calls, accounted to the unit', async () => {
    const issued = await exchange({ maxAmount: 100_000n });
    expect(issued.status).toBe(200);
    expect(issued.body).toMatchObject({
      token_type: 'Bearer',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      allotment: { state: 'active', authorized: '100000', spent: '0' },
    });
    expect(issued.body.expires_in).toBeLessThanOrEqual(300);
    const claims = decodeJwt(issued.body.access_token);
    expect(claims).toMatchObject({ iss: 'rejuve-gateway', aud: 'rejuve-gateway', epoch: 1 });
    expect(JSON.stringify(claims).toLowerCase()).not.toContain(payer.address.slice(2).toLowerCase());
    const { id } = issued.body.allotment;
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        rpc(issued.body.access_token, 'eth_getBalance', {}, i % 2 === 0 ? gateway.url : other.url),
      ),
    );
    expect(answers.map(({ body }) => body.error)).toEqual(Array(40).fill(undefined));
    const cost = answers.reduce((sum, { units = 0 }) => sum + units, 0);
    expect(cost).toBeGreaterThanOrEqual(40 * 20);
    await eventually(async () => expect(await spentOf(id)).toBe(cost));
    const first = await get(
      `${gateway.url}/v1/call-tokens/${id}/statement?limit=30`,
      `Bearer ${issued.body.access_token}`,
    );
    expect(first.body.data).toHaveLength(30);
    expect(first.body.data[0]).toMatchObject({ method: 'eth_getBalance', state: 'settled' });
    const rest = await get(
      `${gateway.url}/v1/call-tokens/${id}/statement?limit=30&cursor=${first.body.page.next}`,
      `Bearer ${issued.body.access_token}`,
    );
    expect(rest.body.data).toHaveLength(10);
    expect(rest.body.page.hasMore).toBe(false);
  });

  it('gives the same budget for the same authorization, refreshes, and tops up', async () => {
    const signed = await signSpend(payer, at, { maxAmount: 60n });
    const [a, b] = await Promise.all([
      post(`${gateway.url}/v1/call-tokens`, exchangeBody(signed)),
      post(
        `${other.url}/v1/call-tokens`,
        exchangeBody(Buffer.from(JSON.stringify(signed)).toString('base64url')),
      ),
    ]);
    expect([a.status, b.status]).toEqual([200, 200]);
    const { id } = a.body.allotment;
    expect(b.body.allotment.id).toBe(id);
    expect((await rpc(a.body.access_token)).body.error).toBeUndefined();
    await spentOf(id);
    const poor = await rpc(b.body.access_token);
    expect(poor.body.error).toMatchObject({
      code: -32020,
      data: { reason: 'budget_exhausted', remaining: 40 },
    });
    const more = await signSpend(payer, at, {
      maxAmount: 1_000n,
      validBefore: BigInt(signed.authorization.validBefore as string),
    });
    for (let i = 0; i < 2; i++) {
      const topped = await post(`${gateway.url}/v1/call-tokens/${id}/top-ups`, { subject_token: more });
      expect(topped).toMatchObject({ status: 200, body: { authorized: '1060' } });
    }
    const refreshed = await post(`${other.url}/v1/call-tokens`, {
      grant_type: 'refresh_token',
      refresh_token: a.body.refresh_token,
    });
    expect(refreshed.status).toBe(200);
    expect((await rpc(refreshed.body.access_token)).body.error).toBeUndefined();
  });

  it('is revoked on every replica at once, cached answers included', async () => {
    const { body } = await exchange();
    const { id } = body.allotment;
    const warm = { jsonrpc: '2.0', id: 1, method: 'eth_getBlockByNumber', params: ['0x1', false] };
    for (const { url } of [gateway, other])
      await post(`${url}/rpc`, warm, { authorization: `Bearer ${body.access_token}` });
    const before = await spentOf(id);
    const revoked = await post(
      `${gateway.url}/v1/call-tokens/${id}/revoke`,
      {},
      { authorization: `Bearer ${body.access_token}` },
    );
    expect(revoked).toMatchObject({ status: 200, body: { state: 'revoked', epoch: 2 } });
    for (const { url } of [gateway, other]) {
      expect((await rpc(body.access_token, 'eth_getBalance', {}, url)).body.error.data.reason).toBe(
        'token_revoked',
      );
      const cached = await post(`${url}/rpc`, warm, { authorization: `Bearer ${body.access_token}` });
      expect(cached.body.error).toMatchObject({ code: -32016, data: { reason: 'token_revoked' } });
    }
    expect(await spentOf(id)).toBe(before);
    expect(
      (
        await post(`${gateway.url}/v1/call-tokens`, {
          grant_type: 'refresh_token',
          refresh_token: body.refresh_token,
        })
      ).body.code,
    ).toBe('token_revoked');
  });

  it('accepts contract wallets, also one that is not deployed yet', async () => {
    expect((await exchange({ payer: addressOf('yes'), signature: '0x1234' })).status).toBe(200);
    const wrapped = concat([
      AbiCoder.defaultAbiCoder().encode(
        ['address', 'bytes', 'bytes'],
        [FACTORY, concat([ZeroHash, initCode()]), '0x1234'],
      ),
      `0x${'6492'.repeat(16)}`,
    ]);
    expect(await exchange({ payer: counterfactual(), signature: wrapped })).toMatchObject({ status: 200 });
  });

  it('wants a proof of possession for a budget that is bound to a key', async () => {
    const key = await createDpopKey();
    const url = `${gateway.url}/v1/call-tokens`;
    const signed = await signSpend(payer, at, { jkt: key.jkt });
    const send = (headers: Record<string, string>) => post(url, exchangeBody(signed), headers);
    expect((await send({})).body.code).toBe('dpop_required');
    const proof = await key.prove('POST', url);
    const issued = await send({ dpop: proof });
    expect(issued).toMatchObject({ status: 200, body: { token_type: 'DPoP' } });
    expect((await send({ dpop: proof })).body.code).toBe('dpop_replayed');
    const stranger = await createDpopKey();
    expect((await send({ dpop: await stranger.prove('POST', url) })).body.code).toBe('dpop_invalid');
    expect((await send({ dpop: await key.prove('GET', url) })).body.code).toBe('dpop_invalid');
    expect((await send({ dpop: await key.prove('POST', `${url}x`) })).body.code).toBe('dpop_invalid');
    expect((await send({ dpop: await key.prove('POST', url, { iat: 1_000 }) })).body.code).toBe(
      'dpop_invalid',
    );

    const token = issued.body.access_token;
    const rpcUrl = `${gateway.url}/rpc/31337`;
    let charged = 0;
    const reason = async (headers: Record<string, string>) => {
      const { body, units = 0 } = await rpc(token, 'eth_getBalance', {
        authorization: `DPoP ${token}`,
        ...headers,
      });
      charged += units;
      return body.error?.data?.reason ?? 'ok';
    };
    expect(await reason({})).toBe('dpop_required');
    const used = await key.prove('POST', rpcUrl, { token });
    expect(await reason({ dpop: used })).toBe('ok');
    expect(await reason({ dpop: used })).toBe('dpop_replayed');
    expect(await reason({ dpop: await key.prove('POST', rpcUrl) })).toBe('dpop_invalid');
    expect(await reason({ dpop: await stranger.prove('POST', rpcUrl, { token }) })).toBe('dpop_invalid');
    expect(charged).toBeGreaterThanOrEqual(20);
    await eventually(async () => expect(await spentOf(issued.body.allotment.id)).toBe(charged));
  });

  const now = BigInt(Math.floor(Date.now() / 1000));
  const usedNonce = `0x${'ab'.repeat(32)}`;
  const refused: [string, SpendWishes, number, string][] = [
    ['another application', { domain: { name: 'Something else' } }, 422, 'wrong_signing_domain'],
    ['another version', { domain: { version: '2' } }, 422, 'wrong_signing_domain'],
    ['another chain', { domain: { chainId: 1 } }, 422, 'wrong_chain'],
    ['another contract', { domain: { verifyingContract: `0x${'12'.repeat(20)}` } }, 422, 'wrong_contract'],
    ['another audience', { audience: 'somebody-else' }, 422, 'wrong_audience'],
    ['an authorization that expired', { validBefore: now - 1n }, 422, 'authorization_expired'],
    ['one that is not valid yet', { validAfter: now + 600n }, 422, 'authorization_not_yet_valid'],
    ['a payer that nobody accepted', { payer: `0x${'77'.repeat(20)}` }, 403, 'payer_not_accepted'],
    ['an asset that nobody accepted', { asset: `0x${'33'.repeat(20)}` }, 422, 'asset_not_accepted'],
    ['more than can be counted', { maxAmount: 2n ** 53n }, 422, 'amount_too_large'],
    ['nothing to spend', { maxAmount: 0n }, 422, 'invalid_argument'],
    ['a scope that was not signed', { scopeHash: ZeroHash }, 422, 'invalid_scope'],
    ['a scope of unknown words', { scope: 'read everything' }, 422, 'invalid_scope'],
    ['a signature by somebody else', { signature: `0x${'11'.repeat(64)}1b` }, 401, 'invalid_signature'],
    ['half a signature', { signature: '0x1234' }, 401, 'invalid_signature'],
    ['a contract that says no', { payer: addressOf('no'), signature: '0x12' }, 422, 'wallet_refused'],
    ['a contract that reverts', { payer: addressOf('reverts'), signature: '0x12' }, 422, 'wallet_refused'],
    ['a contract that loops', { payer: addressOf('loops'), signature: '0x12' }, 422, 'wallet_stuck'],
    ['a nonce that signed something else', { nonce: usedNonce, maxAmount: 2n }, 409, 'nonce_reused'],
  ];
  it.each(refused)('refuses %s', async (_what, wishes, status, code) => {
    if (code === 'nonce_reused') await exchange({ nonce: usedNonce, maxAmount: 1n });
    const answer = await exchange(wishes);
    expect({ status: answer.status, code: answer.body.code }).toEqual({ status, code });
  });

  it('refuses the second form of a signature', async () => {
    const signed = await signSpend(payer, at);
    const { r, s, v } = Signature.from(signed.signature);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const high = `${r}${(order - BigInt(s)).toString(16).padStart(64, '0')}${v === 27 ? '1c' : '1b'}`;
    const loose = `${signed.signature.slice(0, -2)}${v === 27 ? '00' : '01'}`;
    for (const signature of [high, loose])
      expect(
        (await post(`${gateway.url}/v1/call-tokens`, exchangeBody({ ...signed, signature }))).body.code,
      ).toBe('signature_malleable');
    expect((await post(`${gateway.url}/v1/call-tokens`, exchangeBody(signed))).status).toBe(200);
  });

  it('refuses a top-up that does not fit, and a scope that grows', async () => {
    const { body } = await exchange({ scope: 'read method:eth_get*' });
    const wrong = await signSpend(payer, at, { scope: 'write' });
    const url = `${gateway.url}/v1/call-tokens/${body.allotment.id}/top-ups`;
    expect((await post(url, { subject_token: wrong })).body.code).toBe('top_up_mismatch');
    expect((await exchange({ scope: 'read' }, { scope: 'write' })).body.code).toBe('invalid_scope');
    expect((await exchange({ scope: 'read' }, { scope: 'read method:eth_call' })).status).toBe(200);
  });

  it('refuses calls with a wrong token, each for its own reason, and charges none', async () => {
    const { body } = await exchange({ maxPerCall: 70n, scope: 'read method:eth_getBalance' });
    const token: string = body.access_token;
    const [head, payload, signature] = token.split('.') as [string, string, string];
    const tampered = `${head}.${Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), epoch: 99 }),
    ).toString('base64url')}.${signature}`;
    const elsewhere = await exchange({ scope: 'read chain:1' });
    const small = await exchange({ maxPerCall: 10n });
    const one = await exchange({ maxInFlight: 1n });
    const errors = {
      tampered: (await rpc(tampered)).body.error,
      method: (await rpc(token, 'eth_getCode')).body.error,
      write: (await rpc((await exchange()).body.access_token, 'eth_sendRawTransaction')).body.error,
      chain: (await rpc(elsewhere.body.access_token)).body.error,
      perCall: (await rpc(small.body.access_token)).body.error,
    };
    expect(errors).toMatchObject({
      tampered: { code: -32016, data: { reason: 'token_invalid' } },
      method: { code: -32017, data: { reason: 'out_of_scope', scope: 'method' } },
      write: { code: -32017, data: { reason: 'out_of_scope', scope: 'access' } },
      chain: { code: -32017, data: { reason: 'out_of_scope', scope: 'chain' } },
      perCall: { code: -32020, data: { reason: 'over_max_per_call', maxPerCall: 10 } },
    });
    const crowd = await Promise.all(Array.from({ length: 20 }, () => rpc(one.body.access_token)));
    const busy = crowd.filter(({ body: b }) => b.error?.data?.reason === 'too_many_in_flight');
    const answered = crowd.filter(({ body: b }) => b.error === undefined);
    expect(answered.length).toBeGreaterThan(0);
    expect(busy.length + answered.length).toBe(20);
    const cost = answered.reduce((sum, { units = 0 }) => sum + units, 0);
    await eventually(async () => expect(await spentOf(one.body.allotment.id)).toBe(cost));
    for (const issued of [body, elsewhere.body, small.body])
      expect(await spentOf(issued.allotment.id)).toBe(0);
  });

  it('shows a budget to its own tokens and to services only', async () => {
    const [mine, foreign] = [await exchange(), await exchange()];
    const url = `${gateway.url}/v1/call-tokens/${mine.body.allotment.id}`;
    expect((await get(url, `Bearer ${mine.body.access_token}`)).status).toBe(200);
    expect((await get(url, `Bearer ${foreign.body.access_token}`)).status).toBe(404);
    expect((await get(url, 'Bearer nobody')).status).toBe(401);
    const list = await get(
      `${gateway.url}/v1/call-tokens?payer=${payer.address}&limit=2`,
      `Bearer ${serviceToken}`,
    );
    expect(list.body).toMatchObject({ page: { hasMore: true } });
    const jwks = await get(`${gateway.url}/.well-known/jwks.json`, '');
    expect(jwks.body.keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256', use: 'sig' });
    expect(jwks.body.keys[0].d).toBeUndefined();
  });
});
