import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { importJWK, type JWK, SignJWT } from 'jose';
import { createCleanup } from '../cleanup.ts';
import type { HttpAnswer } from '../http-client.ts';
import { newWallet, type Person, signIn, signInMessage } from '../person.ts';
import { createStory, type Story } from '../story.ts';
import type { E2eStack } from './e2e-stack.ts';

const TEN_MEGABYTES = 10 * 1024 * 1024;

/** What people and programs get wrong, asked of the real processes: each is refused with a code that says what. */
export function describeWrongInputs(platformOf: () => E2eStack): void {
  describe('wrong inputs', () => {
    let known: { story: Story; person: Person } | undefined;

    async function signedIn(): Promise<{ story: Story; person: Person }> {
      if (known) return known;
      const stack = platformOf().access;
      const story = createStory({ stack, signal: new AbortController().signal, cleanup: createCleanup() });
      const { person } = await signIn(story.user, newWallet(), stack.state.chainId);
      known = { story, person };
      return known;
    }

    function expectProblem(answer: HttpAnswer, code: string): void {
      expect(answer.body).toMatchObject({ code, status: answer.status, requestId: expect.any(String) });
      expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    }

    /** Sends text as it is, unlike the client that always sends JSON. */
    async function post(url: string, body: string, token?: string): Promise<HttpAnswer> {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
        body,
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    }

    it('malformed JSON', async () => {
      const { story, person } = await signedIn();
      const url = `${story.api.baseUrl}/v1/wallets/challenge`;
      expectProblem(await post(url, '{"address": ', person.accessToken), 'malformed_json');
    });

    it('a body of 10 MB', async () => {
      const { story, person } = await signedIn();
      const body = JSON.stringify({ address: 'x'.repeat(TEN_MEGABYTES) });
      expectProblem(
        await post(`${story.api.baseUrl}/v1/wallets/challenge`, body, person.accessToken),
        'body_too_large',
      );
    });

    it('a signature by somebody else', async () => {
      const { story } = await signedIn();
      const { body: challenge } = await story.user.post('/v1/auth/nonce', { body: {} });
      const message = signInMessage(challenge, newWallet().address, story.stack.state.chainId);
      const signature = await newWallet().signMessage(message);
      const answer = await story.user.post('/v1/auth/siwe', { body: { message, signature }, expect: 401 });
      expectProblem(answer, 'invalid_signature');
    });

    it('a sign-in for another chain', async () => {
      const { story } = await signedIn();
      const wallet = newWallet();
      const { body: challenge } = await story.user.post('/v1/auth/nonce', { body: {} });
      const message = signInMessage(challenge, wallet.address, 1);
      const signature = await wallet.signMessage(message);
      const answer = await story.user.post('/v1/auth/siwe', { body: { message, signature }, expect: 422 });
      expectProblem(answer, 'invalid_argument');
    });

    it.each(['api', 'user'] as const)('an expired token, at %s', async (service) => {
      const { story, person } = await signedIn();
      const token = await expiredToken(story, person);
      const path = service === 'api' ? '/v1/wallets' : '/v1/me';
      expectProblem(await story[service].get(path, { token, expect: 401 }), 'expired_token');
    });

    it.each(['api', 'user'] as const)('a token that somebody changed, at %s', async (service) => {
      const { story, person } = await signedIn();
      const [header, , signature] = person.accessToken.split('.');
      const payload = Buffer.from(JSON.stringify({ sub: 'somebody else' })).toString('base64url');
      const path = service === 'api' ? '/v1/wallets' : '/v1/me';
      const answer = await story[service].get(path, {
        token: `${header}.${payload}.${signature}`,
        expect: 401,
      });
      expectProblem(answer, 'invalid_token');
    });

    it('a refresh token that was used before, which closes the session', async () => {
      const { story } = await signedIn();
      const { person } = await signIn(story.user, newWallet(), story.stack.state.chainId);
      const body = { refreshToken: person.refreshToken };
      const { body: refreshed } = await story.user.post('/v1/auth/refresh', { body });
      // Within a moment the same answer may be given again: two tabs do that. What was taken by then is a theft.
      await story.user.post('/v1/auth/refresh', { body: { refreshToken: refreshed.refreshToken } });
      const reused = await story.user.post('/v1/auth/refresh', { body, expect: 401 });
      expectProblem(reused, 'refresh_token_reused');
      const closed = await story.user.get('/v1/me', { token: refreshed.accessToken, expect: 401 });
      expectProblem(closed, 'session_revoked');
    });

    it('an Idempotency-Key with another body', async () => {
      const { story } = await signedIn();
      const token = story.stack.credential('apiKey');
      const idempotencyKey = crypto.randomUUID();
      const transfer = (amount: string) => ({
        signer: 'treasury',
        contract: 'RejuveToken',
        function: 'transfer',
        args: [newWallet().address, amount],
      });
      await story.api.post('/v1/transactions', { token, idempotencyKey, body: transfer('1'), expect: 202 });
      const answer = await story.api.post('/v1/transactions', {
        token,
        idempotencyKey,
        body: transfer('2'),
        expect: 422,
      });
      expectProblem(answer, 'idempotency_key_reused');
    });

    it('a person who asks the treasury to pay', async () => {
      const { story, person } = await signedIn();
      const answer = await story.api.post('/v1/transactions', {
        token: person.accessToken,
        idempotencyKey: crypto.randomUUID(),
        body: {
          signer: 'treasury',
          contract: 'RejuveToken',
          function: 'transfer',
          args: [person.wallet.address, '1'],
        },
        expect: [401, 403],
      });
      expect(answer.body.status).toBe(answer.status);
    });

    it('an address with a wrong checksum, and says the right one', async () => {
      const { story, person } = await signedIn();
      const { address } = person.wallet;
      const swapped = `0x${[...address.slice(2)].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('')}`;
      const answer = await story.api.get(`/v1/wallets/${swapped}/balances`, {
        token: person.accessToken,
        expect: 400,
      });
      expectProblem(answer, 'invalid_request');
      expect(JSON.stringify(answer.body)).toContain(address);
    });

    it('a query parameter that does not exist', async () => {
      const { story, person } = await signedIn();
      const answer = await story.api.get('/v1/tokens', {
        token: person.accessToken,
        query: { limt: '5' },
        expect: 400,
      });
      expectProblem(answer, 'invalid_request');
      expect(JSON.stringify(answer.body)).toContain('limt');
    });

    it('an internal route without a service token', async () => {
      const { story, person } = await signedIn();
      for (const token of [undefined, person.accessToken]) {
        const answer = await story.gateway.get('/internal/events', { token, expect: 401 });
        expect(answer.body.status).toBe(401);
      }
    });

    it.each([
      ['text that is no JSON', '{"jsonrpc":', -32_700],
      [
        'a method that does not exist',
        '{"jsonrpc":"2.0","id":1,"method":"eth_makeMeRich","params":[]}',
        -32_601,
      ],
      ['an empty batch', '[]', -32_600],
    ] as const)('JSON-RPC: %s', async (_name, body, code) => {
      const { story } = await signedIn();
      const answer = await post(story.stack.url('rpc'), body);
      expect(answer.body.error.code).toBe(code);
    });
  });
}

/** Signed with the platform's own key, and a minute too old. */
async function expiredToken({ stack, user }: Story, person: Person): Promise<string> {
  const { keys } = JSON.parse(readFileSync(stack.state.files.jwtKeys ?? '', 'utf8')) as { keys: JWK[] };
  const key = keys[0] as JWK;
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ sid: crypto.randomUUID(), scope: '' })
    .setProtectedHeader({ alg: 'ES256', kid: key.kid ?? '', typ: 'at+jwt' })
    .setIssuer(user.baseUrl)
    .setAudience('rejuve-api')
    .setSubject(person.id)
    .setJti(crypto.randomUUID())
    .setIssuedAt(now - 360)
    .setExpirationTime(now - 60)
    .sign(await importJWK(key, 'ES256'));
}
