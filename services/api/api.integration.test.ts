import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiError, paginate, RejuveClient, verifyWebhook } from '../../sdk/typescript/src/index.ts';
import { EXAMPLE_REQUESTS, WALLET } from './docs/examples.ts';
import { type ApiHarness, BOOTSTRAP_KEY, RJV, startApiHarness, TREASURY } from './testing/api-harness.ts';

const run = promisify(execFile);
const payment = {
  signer: 'treasury',
  contract: 'RejuveToken',
  function: 'transfer',
  args: [WALLET, '100000000'],
};
const offer = { title: 'Blood panel', description: 'At a partner', price: '12.5', payee: TREASURY };

describe('the API on real Postgres and Redis', () => {
  let h: ApiHarness;
  let ada: string;
  /** A transaction that Ada signed and sent. */
  let sent: string;
  beforeAll(async () => {
    h = await startApiHarness();
    h.user.owners.set(WALLET, 'ada');
    ada = await h.user.accessToken('ada');
    const { body } = await h.call('POST', '/v1/transactions/submit', {
      token: ada,
      body: EXAMPLE_REQUESTS.submitTransaction?.body,
    });
    sent = body.id;
  }, 60_000);
  afterAll(() => h?.stop());

  it('answers balances with asOf and exact amounts, and announces the end of version 1', async () => {
    h.gateway.balances.set(WALLET.toLowerCase(), 100_500_000n);
    const { body, headers } = await h.call('GET', `/v1/wallets/${WALLET.toLowerCase()}/balances`, {
      token: ada,
    });
    expect(body.address).toBe(WALLET);
    expect(body.asOf).toMatchObject({ blockNumber: 100, finality: 'latest' });
    expect(body.data[0].amount).toEqual({ raw: '100500000', decimals: 6, formatted: '100.5' });
    expect(headers.get('deprecation')).toMatch(/^@\d+$/);
    expect(headers.get('sunset')).toContain('GMT');
    expect(headers.get('link')).toContain('successor-version');
    expect(headers.get('ratelimit')).toMatch(/^"read";r=\d+;t=\d+$/);
    const next = await h.call('GET', `/v2/wallets/${WALLET}/balances`, { token: ada });
    expect(next.body.balances[RJV].amount.formatted).toBe('100.5');
    expect(next.headers.get('deprecation')).toBeNull();
  });

  it('explains every wrong input', async () => {
    const cases: [string, string, unknown, number, string][] = [
      [
        'GET',
        `/v1/wallets/0x02c3296c6eb50249f290AE596F2bE9454bFfadaB/balances`,
        undefined,
        400,
        'invalid_request',
      ],
      ['GET', `/v1/wallets/${WALLET}/balances?tokn=1`, undefined, 400, 'invalid_request'],
      ['GET', `/v1/wallets/${WALLET}/balances?quote=USD`, undefined, 422, 'invalid_argument'],
      ['GET', '/v1/partner-offers?cursor=abc', undefined, 400, 'invalid_cursor'],
      ['GET', '/v1/partner-offers?limit=101', undefined, 400, 'invalid_request'],
      ['POST', '/v1/transactions', '{"a":', 400, 'malformed_json'],
      ['POST', '/v1/transactions', { ...payment, signer: 'nobody' }, 422, 'invalid_argument'],
      ['POST', '/v1/partner-offers', { ...offer, price: '0.0000001' }, 422, 'invalid_argument'],
      ['POST', '/v1/partner-offers', { ...offer, price: '0' }, 422, 'invalid_argument'],
      ['POST', '/v1/partner-offers', { ...offer, title: 'a\u0000b' }, 400, 'invalid_request'],
      ['GET', '/v1/clients/%00', undefined, 400, 'invalid_request'],
      ['GET', '/v1/transactions/not-a-uuid', undefined, 404, 'not_found'],
      ['PUT', '/v1/tokens', undefined, 405, 'method_not_allowed'],
      ['PATCH', '/v1/wallets/challenge', undefined, 405, 'method_not_allowed'],
      ['POST', '/v1/transactions', { ...payment, args: 'x'.repeat(300_000) }, 413, 'body_too_large'],
    ];
    for (const [method, path, body, status, code] of cases) {
      const answer = await h.call(method, path, {
        token: BOOTSTRAP_KEY,
        ...(body === undefined ? {} : { body }),
      });
      expect([path, answer.status, answer.body.code]).toEqual([path, status, code]);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.body.type).toBe(`/docs/errors#${code}`);
    }
    const checksum = await h.call('GET', '/v1/wallets/0x02c3296c6eb50249f290AE596F2bE9454bFfadaB/balances', {
      token: ada,
    });
    expect(checksum.body.detail).toContain(RJV);
    const keyless = await h.call('POST', '/v1/transactions', {
      token: BOOTSTRAP_KEY,
      body: payment,
      key: false,
    });
    expect([keyless.status, keyless.body.code]).toEqual([400, 'idempotency_key_required']);
  });

  it('does one thing for fifty equal requests at once, and two for two principals with one key', async () => {
    const key = crypto.randomUUID();
    const before = h.gateway.transactions.size;
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        h.call('POST', '/v1/transactions', { token: BOOTSTRAP_KEY, body: payment, key }),
      ),
    );
    expect(new Set(answers.map((a) => a.status))).toEqual(new Set([202]));
    expect(new Set(answers.map((a) => a.body.id)).size).toBe(1);
    expect(h.gateway.transactions.size).toBe(before + 1);
    const other = await h.client(['transactions:write'], { allowedSigners: ['treasury'] });
    const theirs = await h.call('POST', '/v1/transactions', { token: other.key, body: payment, key });
    expect(theirs.body.id).not.toBe(answers[0]?.body.id);
    const reused = await h.call('POST', '/v1/transactions', {
      token: BOOTSTRAP_KEY,
      body: { ...payment, args: [WALLET, '1'] },
      key,
    });
    expect([reused.status, reused.body.code]).toEqual([422, 'idempotency_key_reused']);

    const publishKey = crypto.randomUUID();
    const published = await Promise.all(
      Array.from({ length: 50 }, () =>
        h.call('POST', '/v1/partner-offers', { token: BOOTSTRAP_KEY, body: offer, key: publishKey }),
      ),
    );
    expect(new Set(published.filter((a) => a.status === 201).map((a) => a.body.id)).size).toBe(1);
    for (const { status, body } of published.filter((a) => a.status !== 201)) {
      expect([status, body.code]).toEqual([409, 'idempotency_in_progress']);
    }
    const again = await h.call('POST', '/v1/partner-offers', {
      token: BOOTSTRAP_KEY,
      body: offer,
      key: publishKey,
    });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  }, 60_000);

  it('hides what belongs to others, and lets people sign with their own wallet only', async () => {
    const { body: made } = await h.call('POST', '/v1/transactions', { token: BOOTSTRAP_KEY, body: payment });
    const other = await h.client(['transactions:read']);
    expect((await h.call('GET', `/v1/transactions/${made.id}`, { token: other.key })).status).toBe(404);
    expect((await h.call('GET', `/v1/transactions/${made.id}`, { token: ada })).status).toBe(404);
    expect((await h.call('POST', '/v1/transactions', { token: ada, body: payment })).status).toBe(401);
  });

  it('follows the rotation of keys at the user service', async () => {
    await h.user.rotate();
    const fresh = await h.user.accessToken('ada');
    for (let i = 0; i < 20; i++) {
      const { status } = await h.call('GET', '/v1/wallets', { token: fresh });
      if (status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error('a token signed by the new key was never accepted');
  }, 20_000);

  it('rotates keys with an overlap, narrows OAuth tokens, and ends them when revoked', async () => {
    const client = await h.client(['tokens:read', 'usage:read']);
    const path = `/v1/clients/${client.id}/credentials`;
    const rotated = await h.call('POST', `${path}/${client.credentialId}/rotate`, {
      token: BOOTSTRAP_KEY,
      body: { overlapSeconds: 600 },
    });
    expect((await h.call('GET', '/v1/tokens', { token: client.key })).status).toBe(200);
    expect((await h.call('GET', '/v1/tokens', { token: rotated.body.secret })).status).toBe(200);

    const { body: secret } = await h.call('POST', path, {
      token: BOOTSTRAP_KEY,
      body: { kind: 'oauth-secret' },
    });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const grant = (scope: string) =>
      h.call('POST', '/v1/oauth/token', {
        headers: {
          ...form,
          authorization: `Basic ${Buffer.from(`${client.id}:${secret.secret}`).toString('base64')}`,
        },
        body: `grant_type=client_credentials&scope=${encodeURIComponent(scope)}`,
      });
    const token = await grant('tokens:read');
    expect(token.body).toMatchObject({ token_type: 'Bearer', expires_in: 600, scope: 'tokens:read' });
    expect((await h.call('GET', '/v1/tokens', { token: token.body.access_token })).status).toBe(200);
    expect((await h.call('GET', '/v1/usage', { token: token.body.access_token })).body.code).toBe(
      'insufficient_scope',
    );
    expect((await grant('clients:manage')).body.error).toBe('invalid_scope');
    await h.call('POST', '/v1/oauth/revoke', {
      headers: form,
      body: `token=${token.body.access_token}&client_id=${client.id}&client_secret=${secret.secret}`,
    });
    expect((await h.call('GET', '/v1/tokens', { token: token.body.access_token })).status).toBe(401);
  });

  it('limits per minute and per day, and shows the usage', async () => {
    const slow = await h.client(['tokens:read'], { requestsPerMinute: 3 });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++)
      statuses.push((await h.call('GET', '/v1/tokens', { token: slow.key })).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    const quota = await h.client(['tokens:read', 'usage:read'], { requestsPerDay: 2 });
    for (let i = 0; i < 2; i++) await h.call('GET', '/v1/tokens', { token: quota.key });
    const over = await h.call('GET', '/v1/tokens', { token: quota.key });
    expect([over.status, over.body.quota]).toEqual([429, { period: 'day', limit: 2 }]);
    expect(Number(over.headers.get('retry-after'))).toBeGreaterThan(0);
    const free = await h.client(['tokens:read', 'usage:read']);
    await h.call('GET', '/v1/tokens', { token: free.key });
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const usage = await h.call('GET', '/v1/usage', { token: free.key });
    expect(usage.body.data).toContainEqual(
      expect.objectContaining({ operationId: 'listTokens', requests: 1, failed: 0 }),
    );
  }, 20_000);

  it('keeps positions in lists while new items arrive', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      ids.push(
        (
          await h.call('POST', '/v1/partner-offers', {
            token: BOOTSTRAP_KEY,
            body: { ...offer, title: `Offer ${i}` },
          })
        ).body.id,
      );
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body }: { body: { data: { id: string }[]; page: { next: string | null } } } = await h.call(
        'GET',
        `/v1/partner-offers?limit=2${cursor ? `&cursor=${cursor}` : ''}`,
        { token: BOOTSTRAP_KEY },
      );
      seen.push(...body.data.map((one) => one.id));
      cursor = body.page.next;
      await h.call('POST', '/v1/partner-offers', { token: BOOTSTRAP_KEY, body: { ...offer, title: 'Late' } });
    } while (cursor);
    expect(new Set(seen).size).toBe(seen.length);
    for (const id of ids) expect(seen).toContain(id);
  });

  it('sells the last one once, and keeps revocations for ever', async () => {
    const { body: last } = await h.call('POST', '/v1/partner-offers', {
      token: BOOTSTRAP_KEY,
      body: { ...offer, stock: 1 },
    });
    const token = await h.user.accessToken('ada');
    const tries = await Promise.all(
      Array.from({ length: 8 }, () =>
        h.call('POST', `/v1/partner-offers/${last.id}/redemptions`, { token, body: { wallet: WALLET } }),
      ),
    );
    expect(tries.map((one) => one.status).sort()).toEqual([201, ...Array(7).fill(409)]);

    const key = { dataHash: `0x${'cd'.repeat(32)}`, productId: '7', requesterId: '1' };
    const revoked = await h.call('POST', '/v1/permissions/revoke', {
      token,
      body: { owner: WALLET, ...key },
    });
    expect(revoked.body.action).toBe('revoke');
    const history = await h.call('GET', `/v1/permissions/history?owner=${WALLET}`, { token });
    expect(history.body.data[0].id).toBe(revoked.body.id);
  });

  it('serves the documentation from its own files only, with every link leading somewhere', async () => {
    const home = await h.call('GET', '/docs');
    expect(home.headers.get('content-security-policy')).toContain("default-src 'none'");
    const links = new Set(
      [...String(home.body).matchAll(/(?:href|src)="([^"#]+)/g)].map((match) => match[1] as string),
    );
    expect(links.size).toBeGreaterThan(12);
    for (const link of links) {
      expect(link.startsWith('/docs')).toBe(true);
      const page = await h.call('GET', link);
      expect([link, page.status]).toEqual([link, 200]);
      expect(/(?:src|href)="https?:/.test(String(page.body))).toBe(false);
    }
    expect((await h.call('GET', '/docs/search.json')).body.length).toBeGreaterThan(80);
  });

  it('is what the TypeScript client expects', async () => {
    const client = new RejuveClient({ baseUrl: h.url, token: BOOTSTRAP_KEY });
    expect((await client.listTokens()).data[0]?.symbol).toBe('RJV');
    const titles: string[] = [];
    for await (const one of paginate((cursor) => client.listPartnerOffers({ cursor, limit: 3 })))
      titles.push(one.title);
    expect(titles.length).toBeGreaterThan(5);
    await expect(client.getRedemption('unknown')).rejects.toMatchObject({ code: 'not_found', status: 404 });

    let sent = 0;
    const keys = new Set<string>();
    const shaky = new RejuveClient({
      baseUrl: h.url,
      token: BOOTSTRAP_KEY,
      sleep: async () => undefined,
      fetch: async (url, init) => {
        keys.add(new Headers(init?.headers).get('idempotency-key') ?? '');
        const answer = await fetch(url, init);
        return sent++ === 0
          ? Response.json({ code: 'queue_full' }, { status: 503, headers: { 'retry-after': '0' } })
          : answer;
      },
    });
    const before = h.gateway.transactions.size;
    await shaky.createTransaction(payment);
    expect([sent, keys.size, h.gateway.transactions.size]).toEqual([2, 1, before + 1]);
    expect(new ApiError(429, {}, 1).code).toBe('unknown');

    const body = '{"type":"x"}';
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signature = createHmac('sha256', 'secret').update(`id1.${timestamp}.${body}`).digest('base64');
    const headers = {
      'webhook-id': 'id1',
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    };
    expect(await verifyWebhook('secret', headers, body)).toEqual({ type: 'x' });
    await expect(verifyWebhook('other', headers, body)).rejects.toThrow('does not match');
  }, 20_000);

  it('streams states to the TypeScript client over lost connections, until the last one', async () => {
    const block = { number: undefined as string | undefined };
    h.gateway.rpc.set('eth_getTransactionReceipt', () =>
      block.number === undefined
        ? null
        : { blockNumber: block.number, blockHash: `0x${'b1'.repeat(32)}`, status: '0x1' },
    );
    h.gateway.rpc.set('eth_getBlockByNumber', ([tag]) => ({
      number: tag === 'finalized' ? '0x32' : '0x64',
      hash: `0x${'ab'.repeat(32)}`,
      timestamp: '0x66000000',
    }));
    let connections = 0;
    const client = new RejuveClient({
      baseUrl: h.url,
      token: ada,
      fetch: async (url, init) => {
        const answer = await fetch(url, init);
        if (connections++ > 0) return answer;
        // The first connection breaks after its first event.
        const reader = answer.body?.getReader();
        return new Response(
          new ReadableStream({
            async pull(controller) {
              const { value } = (await reader?.read()) ?? {};
              if (value) controller.enqueue(value);
              if (!value || new TextDecoder().decode(value).includes('"submitted"')) {
                block.number = '0x5f';
                controller.error(new TypeError('terminated'));
              }
            },
          }),
          { headers: answer.headers },
        );
      },
      sleep: async () => undefined,
    });
    const states: string[] = [];
    for await (const { data } of client.streamTransaction(sent)) {
      states.push(data.state);
      if (data.state === 'confirmed') block.number = '0x10';
    }
    expect(states).toEqual(['submitted', 'confirmed', 'finalized']);
    expect(connections).toBeGreaterThan(1);
    h.gateway.rpc.clear();
    await expect(
      (async () => {
        for await (const _ of client.streamTransaction('unknown')) throw new Error('an event of nothing');
      })(),
    ).rejects.toMatchObject({ code: 'not_found' });
  }, 30_000);

  it('is packed as npm and pip want it', async () => {
    const root = join(import.meta.dirname, '../../sdk');
    const folder = await mkdtemp(join(tmpdir(), 'sdk-'));
    const path = `${join(root, '../node_modules/.bin')}:${process.env.PATH}`;
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: join(root, 'typescript'),
      env: { ...process.env, PATH: path },
    });
    const packed = JSON.parse(stdout.slice(stdout.indexOf('['))) as { files: { path: string }[] }[];
    const files = packed[0]?.files.map((file) => file.path) ?? [];
    expect(files).toEqual(expect.arrayContaining(['dist/index.js', 'dist/index.d.ts', 'package.json']));
    expect(files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))).toEqual([]);
    // What pip builds a wheel from; the build itself needs setuptools from PyPI, and tests need no network.
    await run('python3', [
      '-c',
      'import tomllib,sys; tomllib.load(open(sys.argv[1],"rb"))',
      join(root, 'python/pyproject.toml'),
    ]);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('is what the Python client expects', async () => {
    const program = `
import hashlib, hmac, base64, time, os
from rejuve_api import ApiError, RejuveClient, paginate, verify_webhook, WebhookError
c = RejuveClient(os.environ["API"], token=os.environ["KEY"])
assert c.list_tokens()["data"][0]["symbol"] == "RJV"
assert len(list(paginate(c.list_partner_offers, limit=3))) > 5
assert c.get_wallet_balances("${WALLET}")["address"] == "${WALLET}"
events = c.stream_transaction(os.environ["SENT"])
first = next(events)
assert first.event == "state" and first.data["state"] == "submitted" and first.data["id"] == os.environ["SENT"], first
events.close()
try:
    c.get_redemption("unknown"); raise SystemExit("no error")
except ApiError as e:
    assert e.code == "not_found" and e.status == 404
k = "py-" + str(time.time_ns())
body = {"signer": "treasury", "contract": "RejuveToken", "function": "transfer", "args": ["${WALLET}", "5"]}
assert c.create_transaction(body, idempotency_key=k)["id"] == c.create_transaction(body, idempotency_key=k)["id"]
t = str(int(time.time())); b = b'{"type":"x"}'
s = base64.b64encode(hmac.new(b"secret", b"id1." + t.encode() + b"." + b, hashlib.sha256).digest()).decode()
h = {"Webhook-Id": "id1", "Webhook-Timestamp": t, "Webhook-Signature": "v1," + s}
assert verify_webhook("secret", h, b) == {"type": "x"}
try:
    verify_webhook("other", h, b); raise SystemExit("no error")
except WebhookError:
    pass
print("ok")`;
    const { stdout } = await run('python3', ['-c', program], {
      env: {
        ...process.env,
        PYTHONPATH: join(import.meta.dirname, '../../sdk/python'),
        PYTHONDONTWRITEBYTECODE: '1',
        API: h.url,
        KEY: BOOTSTRAP_KEY,
        SENT: sent,
      },
    });
    expect(stdout.trim()).toBe('ok');
  }, 20_000);
});
