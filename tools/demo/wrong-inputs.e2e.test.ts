import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Wallet } from 'ethers';
import { decodeProtectedHeader, importJWK, type JWK, SignJWT } from 'jose';
import { startTestChain } from '../testing/test-chain.ts';
import { createHttpClient, type HttpClient } from './http-client.ts';
import { newWallet, type Person, signIn, signInMessage } from './person.ts';
import { type E2eStack, startE2eStack } from './testing/e2e-stack.ts';

const START_MS = 120_000;
const never = new AbortController().signal;

let platform: E2eStack;
let api: HttpClient;
let user: HttpClient;
let gateway: HttpClient;
let person: Person;
let signed: { message: string; signature: string };

const client = (service: string): HttpClient =>
  createHttpClient({ baseUrl: platform.access.url(service), service, signal: never });

/** Any answer but a 5xx; the tests say which. */
const ANY = Array.from({ length: 100 }, (_, i) => 400 + i);
const REFUSED = { expect: ANY };

/** A body that our client would not send: raw bytes under the JSON type. */
async function raw(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
    signal: AbortSignal.timeout(20_000),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

beforeAll(async () => {
  platform = await startE2eStack();
  [api, user, gateway] = [client('api'), client('user'), client('gateway')];
  const made = await signIn(user, newWallet(), platform.access.state.chainId);
  person = made.person;
  signed = { message: made.message, signature: made.signature };
}, START_MS);
afterAll(() => platform?.stop(), START_MS);

describe('what the platform answers to wrong input', () => {
  it('refuses malformed JSON everywhere, each in its own protocol', async () => {
    const rpc = await raw(
      `${gateway.baseUrl}/rpc/${platform.access.state.chainId}`,
      '{"jsonrpc":"2.0","method":',
    );
    expect(rpc.body).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32700 } });
    const rest = await raw(`${user.baseUrl}/v1/auth/siwe`, '{"message":');
    expect([rest.status, rest.body.code]).toEqual([400, 'malformed_json']);
  });

  it('refuses a body of 10 MB without reading it all into memory for ever', async () => {
    const body = new Uint8Array(10 * 1024 * 1024).fill(0x20);
    const rpc = await raw(`${gateway.baseUrl}/rpc/${platform.access.state.chainId}`, body);
    expect(rpc.status).toBe(413);
    expect(rpc.body).toMatchObject({ jsonrpc: '2.0', error: { message: expect.stringContaining('bytes') } });
    for (const url of [`${user.baseUrl}/v1/auth/siwe`, `${api.baseUrl}/v1/wallets/challenge`]) {
      const rest = await raw(url, body, { authorization: `Bearer ${person.accessToken}` });
      expect([rest.status, rest.body.code]).toEqual([413, 'body_too_large']);
    }
  });

  it('says that a JSON-RPC method does not exist, and that a chain is not served', async () => {
    const call = (chain: number, method: string) =>
      gateway.post(`/rpc/${chain}`, {
        body: { jsonrpc: '2.0', id: 7, method, params: [] },
        expect: [200, ...ANY],
      });
    expect((await call(platform.access.state.chainId, 'eth_getBalence')).body).toMatchObject({
      id: 7,
      error: { code: -32601 },
    });
    expect((await call(1, 'eth_chainId')).body).toMatchObject({
      error: { message: expect.stringContaining('chain 1') },
    });
  });

  it('refuses a signature of somebody else, and a nonce that was used', async () => {
    const { body: challenge } = await user.post('/v1/auth/nonce', {
      body: { address: person.wallet.address },
    });
    const forged = await Wallet.createRandom().signMessage(challenge.message);
    const wrong = await user.post('/v1/auth/siwe', {
      body: { message: challenge.message, signature: forged },
      ...REFUSED,
    });
    expect([wrong.status, wrong.body.code]).toEqual([401, 'invalid_signature']);
    const replayed = await user.post('/v1/auth/siwe', { body: signed, ...REFUSED });
    expect([replayed.status, replayed.body.code]).toEqual([401, 'nonce_used']);
  });

  it('refuses an access token that has expired, was changed, or is nobody’s', async () => {
    const file = platform.access.state.files.jwtKeys as string;
    const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: JWK[] };
    const { kid } = decodeProtectedHeader(person.accessToken);
    const key = keys.find((one) => one.kid === kid) ?? (keys[0] as JWK);
    const claims = JSON.parse(Buffer.from(person.accessToken.split('.')[1] ?? '', 'base64url').toString());
    const expired = await new SignJWT({ ...claims, iat: claims.iat - 3_600, exp: claims.iat - 3_000 })
      .setProtectedHeader({ alg: 'ES256', kid: String(kid), typ: 'at+jwt' })
      .sign(await importJWK(key, 'ES256'));
    const at = (token: string | undefined) => api.get('/v1/wallets', { token, ...REFUSED });
    expect((await at(expired)).body).toMatchObject({ status: 401, code: 'expired_token' });
    expect((await at(`${person.accessToken.slice(0, -4)}AAAA`)).body).toMatchObject({
      status: 401,
      code: 'invalid_token',
    });
    expect((await at(undefined)).body).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect((await at(`rjv_abcdef123456_${'0'.repeat(48)}`)).body).toMatchObject({
      status: 401,
      code: 'invalid_token',
    });
  });

  it('refuses an Idempotency-Key with another body, and a POST without one', async () => {
    const token = platform.access.credential('apiKey');
    const body = (amount: string) => ({
      signer: 'treasury',
      contract: 'RejuveToken',
      function: 'transfer',
      args: [person.wallet.address, amount],
    });
    const idempotencyKey = crypto.randomUUID();
    const first = await api.post('/v1/transactions', { token, idempotencyKey, body: body('1'), expect: 202 });
    const again = await api.post('/v1/transactions', { token, idempotencyKey, body: body('1'), expect: 202 });
    expect(again.body.id).toBe(first.body.id);
    const other = await api.post('/v1/transactions', { token, idempotencyKey, body: body('2'), ...REFUSED });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
    const none = await api.post('/v1/transactions', { token, body: body('1'), ...REFUSED });
    expect([none.status, none.body.code]).toEqual([400, 'idempotency_key_required']);
  });

  it('opens no internal route to a person, a partner or nobody', async () => {
    for (const token of [undefined, person.accessToken, platform.access.credential('apiKey')]) {
      for (const [service, path] of [
        [gateway, '/internal/events?after=0'],
        [gateway, '/internal/providers'],
        [user, `/internal/wallets/${person.wallet.address}`],
      ] as const) {
        const { status } = await service.get(path, { token, ...REFUSED });
        expect([path, status]).toEqual([path, 401]);
      }
    }
  });

  it('refuses a sign-in for another chain', async () => {
    const wallet = newWallet();
    const { body: challenge } = await user.post('/v1/auth/nonce', { body: {} });
    const message = signInMessage(challenge, wallet.address, 1);
    const signature = await wallet.signMessage(message);
    const answer = await user.post('/v1/auth/siwe', { body: { message, signature }, ...REFUSED });
    expect([answer.status, answer.body.code]).toEqual([422, 'invalid_argument']);
  });

  it('closes the session when a refresh token comes back that was used long before', async () => {
    const thief = (await signIn(user, newWallet(), platform.access.state.chainId)).person;
    const body = { refreshToken: thief.refreshToken };
    const { body: refreshed } = await user.post('/v1/auth/refresh', { body });
    await user.post('/v1/auth/refresh', { body: { refreshToken: refreshed.refreshToken } });
    const reused = await user.post('/v1/auth/refresh', { body, ...REFUSED });
    expect([reused.status, reused.body.code]).toEqual([401, 'refresh_token_reused']);
    const closed = await user.get('/v1/me', { token: refreshed.accessToken, ...REFUSED });
    expect([closed.status, closed.body.code]).toEqual([401, 'session_revoked']);
  });

  it('lets no person ask the treasury to pay', async () => {
    const { status } = await api.post('/v1/transactions', {
      token: person.accessToken,
      idempotencyKey: crypto.randomUUID(),
      body: {
        signer: 'treasury',
        contract: 'RejuveToken',
        function: 'transfer',
        args: [person.wallet.address, '1'],
      },
      ...REFUSED,
    });
    expect([401, 403]).toContain(status);
  });

  it('refuses an address with a wrong checksum and says the right one', async () => {
    const { address } = person.wallet;
    const swapped = address
      .slice(2)
      .replace(/[a-z]/gi, (c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase()));
    const answer = await api.get(`/v1/wallets/0x${swapped}/balances`, {
      token: person.accessToken,
      ...REFUSED,
    });
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(JSON.stringify(answer.body)).toContain(address);
  });

  it('refuses a query parameter that does not exist, and an empty batch', async () => {
    const query = { limt: '5' };
    const answer = await api.get('/v1/tokens', { token: person.accessToken, query, ...REFUSED });
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request']);
    expect(JSON.stringify(answer.body)).toContain('limt');
    const batch = await raw(platform.access.url('rpc'), '[]');
    expect(batch.body.error.code).toBe(-32_600);
  });
});

/** A gateway process with the given settings: what it prints, and how it ends unless it has to be stopped. */
async function runGateway(env: Record<string, string>, until: (output: string) => boolean) {
  const main = join(import.meta.dirname, '..', '..', 'services', 'chain-gateway', 'main.ts');
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env.PATH ?? '', PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const code = await new Promise<number | null>((resolve) => {
    const onData = (chunk: Buffer): void => {
      output += chunk.toString();
      if (until(output)) child.kill('SIGTERM');
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.on('close', resolve);
  });
  return { code, output };
}

describe('a gateway with wrong settings', () => {
  const EX_CONFIG = 78;

  it.each([
    ['RPC_URLS', { RPC_URLS: 'not-a-url', CHAIN_ID: '31337' }],
    ['CHAIN_ID', { UPSTREAM_URLS: 'http://127.0.0.1:1', CHAIN_ID: 'mainnet' }],
    ['UPSTREAM_URL', { UPSTREAM_URL: 'http://127.0.0.1:1', CHAIN_ID: '31337' }],
  ])('names %s, says what was expected, and does not start', async (key, env) => {
    const { code, output } = await runGateway(env, () => false);
    expect(output).toContain(key);
    expect(output).not.toMatch(/^\s+at /m);
    expect(code).toBe(EX_CONFIG);
  });

  it('sends no call to a URL that answers for another chain, and says so', async () => {
    const wrong = await startTestChain({ chainId: 424_242 });
    try {
      const env = { UPSTREAM_URLS: `${wrong.url},${platform.access.url('chain')}`, CHAIN_ID: '31337' };
      const { output } = await runGateway(env, (text) => text.includes('424242'));
      expect(output).toContain('424242');
      expect(output).toContain('31337');
    } finally {
      await wrong.stop();
    }
  }, 60_000);
});
