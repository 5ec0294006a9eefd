import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { EXAMPLE_REQUESTS, UNKNOWN_ID, WALLET } from './docs/examples.ts';
import { type Answered, type ApiHarness, BOOTSTRAP_KEY, startApiHarness } from './testing/api-harness.ts';

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly open: boolean;
  readonly keyed: boolean;
  /** Done by people for themselves. */
  readonly person: boolean;
  readonly scopes: readonly string[];
  readonly statuses: readonly string[];
}
type Options = NonNullable<Parameters<ApiHarness['call']>[2]>;

/** Their idempotency records are kept by the gateway and the user service. */
const KEPT_ELSEWHERE = new Set([
  'createTransaction',
  'cancelTransaction',
  'linkWallet',
  'createIdentity',
  'submitData',
  'grantPermission',
]);

/** Of faults in our own house, not of requests: provoked once each below and in the tests of lib/http. */
const SERVER_SIDE = ['500', '503', '504'];

describe('every documented refusal happens', () => {
  let h: ApiHarness;
  let operations: Operation[];
  let ada: string;
  const seen = new Map<string, Set<string>>();

  beforeAll(async () => {
    h = await startApiHarness();
    h.user.owners.set(WALLET, 'ada');
    ada = await h.user.accessToken('ada', { expiresInSeconds: 3_600 });
    const { paths } = await h.openapi();
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, op]) => ({
        id: String(op.operationId),
        method: method.toUpperCase(),
        path,
        open: (op.security as Record<string, unknown>[]).every((one) => Object.keys(one).length === 0),
        keyed: ((op.parameters ?? []) as { name: string }[]).some(({ name }) => name === 'idempotency-key'),
        person: JSON.stringify(op.security).includes('user'),
        scopes: (op['x-required-scopes'] as string[] | undefined) ?? [],
        statuses: Object.keys(op.responses as object).filter((status) => Number(status) >= 400),
      })),
    );
  }, 60_000);
  afterAll(() => h?.stop());

  const documents = (op: Operation, status: string): boolean => op.statuses.includes(status);
  async function send(op: Operation, change: Partial<Options> & { query?: string; at?: string } = {}) {
    const sample = EXAMPLE_REQUESTS[op.id];
    const path = change.at ?? op.path.replace(/\{(\w+)\}/g, (_, name) => sample?.path?.[name] ?? 'x');
    const query = change.query ?? (sample?.query ? `?${new URLSearchParams(sample.query)}` : '');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const isForm = sample?.form !== undefined;
    const answer: Answered = await h.call(op.method, `${path}${query}`, {
      ...(op.open ? {} : { token: BOOTSTRAP_KEY }),
      body: isForm ? sample.form : sample?.body,
      ...change,
      headers: { ...(isForm ? form : {}), ...change.headers },
    });
    seen.set(op.id, (seen.get(op.id) ?? new Set()).add(String(answer.status)));
    if (answer.status >= 400) {
      // RFC 9457, in full, whatever went wrong.
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.body).toMatchObject({ status: answer.status });
      for (const member of ['type', 'title', 'detail', 'code', 'requestId'])
        expect([op.id, answer.status, member, typeof answer.body[member]]).toEqual([
          op.id,
          answer.status,
          member,
          'string',
        ]);
    }
    return answer;
  }
  const of = (id: string): Operation => operations.find((op) => op.id === id) as Operation;
  const each = (status: string): Operation[] => operations.filter((op) => documents(op, status));

  it('400 for a query parameter that does not exist, with its name', async () => {
    for (const op of each('400')) {
      const { status, body } = await send(op, { query: '?nonsense=1' });
      expect([op.id, status, JSON.stringify(body.errors).includes('nonsense')]).toEqual([op.id, 400, true]);
    }
  });

  it('401 without a credential, 403 without the scope', async () => {
    const all = [...new Set(operations.flatMap((op) => op.scopes))];
    for (const op of each('401').filter(({ open }) => !open)) {
      expect([op.id, (await send({ ...op, open: true })).status]).toEqual([op.id, 401]);
      const { key } = await h.client(all.filter((scope) => !op.scopes.includes(scope)));
      if (documents(op, '403'))
        expect([op.id, (await send(op, { token: key })).status]).toEqual([op.id, 403]);
    }
  }, 60_000);

  it('413 and 415 for bodies that are too large or of another kind', async () => {
    for (const op of each('413')) {
      const body = `{"a":"${'x'.repeat(2_000_000)}"}`;
      expect([op.id, (await send(op, { body })).status]).toEqual([op.id, 413]);
      const other = await send(op, { body: '<a/>', headers: { 'content-type': 'text/xml' } });
      if (documents(op, '415')) expect([op.id, other.status]).toEqual([op.id, 415]);
    }
  }, 60_000);

  it('429 when the limit is reached, with the time to wait', async () => {
    for (const op of each('429').filter(({ open }) => !open)) {
      const { key } = await h.client(op.scopes, { requestsPerMinute: 1 });
      const first = await send(op, { token: key });
      const again = first.status === 429 ? first : await send(op, { token: key });
      expect([op.id, again.status]).toEqual([op.id, 429]);
      expect(Number(again.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  }, 60_000);

  it('409 and 422 for an idempotency key that is in use, or was used for something else', async () => {
    const client = new pg.Client({ connectionString: h.postgres.url, options: '-c search_path=api' });
    await client.connect();
    // Kept by the API itself; of the others the gateway or the user service keeps the record.
    const own = operations.filter((op) => op.keyed && !KEPT_ELSEWHERE.has(op.id));
    for (const op of own) {
      expect([op.id, (await send(op, { key: 'x' })).body.code]).toEqual([op.id, 'invalid_request']);
      const key = crypto.randomUUID();
      const principal = op.person ? 'user:ada' : 'client:bootstrap';
      const token = op.person ? ada : BOOTSTRAP_KEY;
      await client.query('begin');
      await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `${principal}\n${op.id}\n${key}`,
      ]);
      const busy = await send(op, { key, token });
      await client.query('rollback');
      expect([op.id, busy.status, busy.body.code]).toEqual([op.id, 409, 'idempotency_in_progress']);
      await client.query(
        `insert into idempotency_keys (principal, operation, key, request_hash, status) values ($1, $2, $3, 'other', 200)`,
        [principal, op.id, key],
      );
      const reused = await send(op, { key, token });
      expect([op.id, reused.status, reused.body.code]).toEqual([op.id, 422, 'idempotency_key_reused']);
    }
    await client.end();
  }, 60_000);

  it('404, 409 and 422 as the gateway and the user service say them', async () => {
    for (const [status, code] of [
      [404, 'not_found'],
      [409, 'conflict'],
      [422, 'invalid_argument'],
    ] as const) {
      for (const op of each(String(status))) {
        h.gateway.fail = { status, code };
        h.user.fail = { status, code };
        // What was remembered from before would hide them.
        await h.redis.flush();
        await send(op, { token: op.person ? ada : BOOTSTRAP_KEY });
        if (op.person) await send(op, { token: BOOTSTRAP_KEY, query: '?personId=ada' });
      }
    }
    h.gateway.fail = undefined;
    h.user.fail = undefined;
  }, 60_000);

  it('and all the others, each by its own mistake', async () => {
    const made = async (op: string, body?: unknown, at?: string, token?: string) =>
      (
        await send(of(op), {
          ...(body === undefined ? {} : { body }),
          ...(at ? { at } : {}),
          ...(token ? { token } : {}),
        })
      ).body;
    const unknown = UNKNOWN_ID;
    const expectations: [string, number, Partial<Options> & { query?: string; at?: string }][] = [];
    const offer = await made('publishPartnerOffer', {
      ...(EXAMPLE_REQUESTS.publishPartnerOffer?.body as object),
      stock: 0,
    });
    const open = await made('publishPartnerOffer');
    const redemption = await made(
      'redeemPartnerOffer',
      undefined,
      `/v1/partner-offers/${open.id}/redemptions`,
      ada,
    );
    const manual = await made('publishEarningOpportunity');
    const counted = await made('publishEarningOpportunity', {
      ...(EXAMPLE_REQUESTS.publishEarningOpportunity?.body as object),
      criterion: 'identity',
    });
    const sent = await made('submitTransaction', undefined, undefined, ada);
    expectations.push(
      ['getWalletBalances', 422, { query: '?quote=USD' }],
      ['getWalletBalancesV2', 422, { query: '?quote=USD' }],
      ['getNft', 404, { at: '/v1/nfts/Nonsense/1' }],
      ['getNftMetadata', 404, { at: '/v1/nfts/Nonsense/1/metadata' }],
      ['getUsage', 422, { query: '?from=2026-02-01&to=2026-01-01' }],
      ['getClient', 404, { at: '/v1/clients/nobody' }],
      ['listCredentials', 404, { at: '/v1/clients/nobody/credentials' }],
      ['issueCredential', 404, { at: '/v1/clients/nobody/credentials' }],
      ['redeemPartnerOffer', 409, { at: `/v1/partner-offers/${offer.id}/redemptions`, token: ada }],
      ['redeemPartnerOffer', 404, { at: `/v1/partner-offers/${unknown}/redemptions`, token: ada }],
      ['payRedemption', 409, { at: `/v1/redemptions/${redemption.id}/payment`, token: ada }],
      ['confirmRedemption', 409, { at: `/v1/redemptions/${redemption.id}/confirm` }],
      ['refuseRedemption', 409, { at: `/v1/redemptions/${redemption.id}/refuse` }],
      ['claimReward', 404, { at: `/v1/earning-opportunities/${unknown}/claim`, token: ada }],
      ['claimReward', 409, { at: `/v1/earning-opportunities/${manual.id}/claim`, token: ada }],
      ['recordProgress', 409, { at: `/v1/earning-opportunities/${counted.id}/progress` }],
      ['prepareTransaction', 404, { token: ada, body: { cancels: `wtx-${unknown}` } }],
      [
        'prepareTransaction',
        422,
        { token: ada, body: { from: WALLET, contract: 'Nonsense', function: 'f', args: [] } },
      ],
      ['createAccessToken', 401, {}],
      ['revokeAccessToken', 401, {}],
    );
    for (const [id, status, change] of expectations)
      expect([id, (await send(of(id), change)).status]).toEqual([id, status]);

    const outbid = { status: '0x1', blockNumber: '0x64', blockHash: `0x${'b1'.repeat(32)}`, logs: [] };
    h.gateway.rpc.set('eth_getTransactionReceipt', () => outbid);
    const late = await send(of('prepareTransaction'), { token: ada, body: { cancels: sent.id } });
    expect(late.status).toBe(409);
    h.gateway.rpc.set('eth_getTransactionReceipt', () => ({ ...outbid, blockNumber: '0x1' }));
    const unpaid = await send(of('payRedemption'), {
      token: ada,
      at: `/v1/redemptions/${redemption.id}/payment`,
    });
    expect(unpaid.status).toBe(422);
    h.gateway.rpc.delete('eth_getTransactionReceipt');

    const { id } = (await made('createClient', { name: 'c', scopes: ['tokens:read'] })) as { id: string };
    const { secret } = await made(
      'issueCredential',
      { kind: 'oauth-secret' },
      `/v1/clients/${id}/credentials`,
    );
    const form = (more: string): string =>
      `grant_type=client_credentials&client_id=${id}&client_secret=${secret}${more}`;
    expect((await send(of('createAccessToken'), { body: form('&scope=people%3Aany') })).status).toBe(403);
    for (const op of ['createAccessToken', 'revokeAccessToken']) {
      const answers = [];
      for (let i = 0; i < 61; i++) answers.push((await send(of(op))).status);
      expect([op, answers.at(-1)]).toEqual([op, 429]);
    }
  }, 60_000);

  it('404 for attestations on a chain that has none', async () => {
    const bare = await startApiHarness({}, ['EAS']);
    bare.user.owners.set(WALLET, 'ada');
    const token = await bare.user.accessToken('ada');
    const { status, body } = await bare.call('GET', `/v1/wallets/${WALLET}/verification`, { token });
    await bare.stop();
    expect([status, body.code]).toEqual([404, 'not_found']);
    seen.get('getVerification')?.add('404');
  }, 30_000);

  it('503 when the gateway is away', async () => {
    h.gateway.fail = { status: 503, code: 'dependency_unavailable' };
    await h.redis.flush();
    expect((await send(of('listTransactions'))).status).toBe(503);
    h.gateway.fail = undefined;
  });

  it('leaves no documented refusal without a request that gets it', () => {
    const left = operations.flatMap((op) =>
      op.statuses
        .filter((status) => !SERVER_SIDE.includes(status) && !seen.get(op.id)?.has(status))
        .map((status) => `${op.id} ${status}`),
    );
    expect(left).toEqual([]);
  });
});
