import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Wallet } from 'ethers';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import {
  eventually,
  type Harness,
  openStream,
  startHarness,
  type TestPerson,
} from './testing/user-harness.ts';

const RJV = 1_000_000n;
const TREASURY = '0x1111111111111111111111111111111111111111';

describe('the user service', () => {
  let h: Harness;
  let ada: TestPerson;
  const inboxOf = async (p: TestPerson) =>
    (await h.call('GET', '/v1/notifications', { token: p.accessToken })).body.data;
  const balanceOf = async (p: TestPerson) =>
    (await h.call('GET', '/v1/me/ledger/balances', { token: p.accessToken })).body.data[0]?.balance.formatted;
  const historyRead = (p: TestPerson) =>
    eventually('history', async () => {
      const { body } = await h.internal('GET', `/internal/people/${p.personId}/wallets`);
      return body.data.every((w: { history: string }) => w.history === 'complete');
    });

  beforeAll(async () => {
    h = await startHarness({ AUDIT_INTERVAL_MS: '1000', AUDIT_GRACE_MS: '0' });
    ada = await h.signIn();
  }, 60_000);
  afterAll(() => h?.stop());

  it('signs people in with tokens that any service can verify', async () => {
    const keys = createRemoteJWKSet(new URL(`${h.url}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(ada.accessToken, keys, {
      issuer: 'http://user.test',
      audience: 'rejuve-api',
    });
    expect(protectedHeader.alg).toBe('ES256');
    expect(payload.sub).toBe(ada.personId);
    expect((payload.exp as number) - (payload.iat as number)).toBe(300);
    const again = await h.signIn(ada.wallet as Wallet);
    expect(again.personId).toBe(ada.personId);
  });

  it('keeps profile and preferences with versions', async () => {
    const token = ada.accessToken;
    const me = await h.call('GET', '/v1/me', { token });
    const named = await h.call('PATCH', '/v1/me', {
      token,
      body: { displayName: 'Ada', timeZone: 'europe/zurich', locale: 'de-ch' },
      headers: { 'if-match': me.headers.get('etag') as string },
    });
    expect(named.body).toMatchObject({ displayName: 'Ada', timeZone: 'Europe/Zurich', locale: 'de-CH' });
    const stale = await h.call('PATCH', '/v1/me', {
      token,
      body: { displayName: 'X' },
      headers: { 'if-match': '"1"' },
    });
    expect(stale.status).toBe(412);
    expect((await h.call('PATCH', '/v1/me', { token, body: { timeZone: 'Mars/Olympus' } })).status).toBe(400);
    expect((await h.call('PATCH', '/v1/me', { token, body: { displayName: 'a\r\nBcc: b' } })).status).toBe(
      400,
    );
    const put = await h.call('PUT', '/v1/me/preferences', {
      token,
      body: { quietHours: { from: '22:00', to: '07:00' } },
      headers: { 'if-match': '"0"' },
    });
    expect(put.status).toBe(200);
    expect(put.body.channels.email.enabled).toBe(true);
    const conflict = await h.call('PUT', '/v1/me/preferences', {
      token,
      body: {},
      headers: { 'if-match': '"0"' },
    });
    expect(conflict.status).toBe(412);
    await h.call('PATCH', '/v1/me', { token, body: { locale: 'en' } });
  });

  it('refuses a replayed nonce, a foreign domain, an expired message and a wrong signature', async () => {
    const wallet = Wallet.createRandom();
    const { body } = await h.call('POST', '/v1/auth/nonce', { body: { address: wallet.address } });
    const sign = async (message: string, by = wallet) =>
      h.call('POST', '/v1/auth/siwe', { body: { message, signature: await by.signMessage(message) } });
    expect((await sign(body.message, Wallet.createRandom())).body.code).toBe('invalid_signature');
    expect((await sign(body.message.replaceAll('app.test', 'evil.test'))).body.code).toBe('invalid_argument');
    expect(
      (await sign(body.message.replace(/Expiration Time: .*/, 'Expiration Time: 2020-01-01T00:00:00Z'))).body
        .code,
    ).toBe('expired_token');
    expect((await sign(body.message.replace('Chain ID: 31337', 'Chain ID: 1'))).body.code).toBe(
      'invalid_argument',
    );
    expect((await sign(body.message)).status).toBe(200);
    expect((await sign(body.message)).body.code).toBe('nonce_used');
  });

  it('tells her of an incoming transfer once, in the inbox, on the stream and in the ledger', async () => {
    await historyRead(ada);
    const stream = openStream(h.url, ada.accessToken);
    await stream.opened;
    const mined = Date.now();
    const [key] = h.gateway.mine([{ from: TREASURY, to: ada.address, amount: 100n * RJV }]);
    const event = await eventually('stream', async () =>
      stream.events.find((e) => e.data.type === 'transfer.in'),
    );
    expect(event.at - mined).toBeLessThan(3_000);
    expect(event.data.title).toBe('You received 100 RJV');
    h.gateway.stage([key as string], 'confirmed');
    h.gateway.stage([key as string], 'finalized');
    await eventually('final', async () => stream.events.some((e) => e.data.stage === 'finalized'));
    const rows = (await inboxOf(ada)).filter((n: { type: string }) => n.type === 'transfer.in');
    expect(rows).toHaveLength(1);
    expect(rows[0].stage).toBe('finalized');
    expect(await balanceOf(ada)).toBe('100');
    const log = await h.call('GET', '/v1/me/ledger/transactions', { token: ada.accessToken });
    expect(log.body.data).toHaveLength(1);
    expect(log.body.data[0].postings.map((p: { amount: { raw: string } }) => p.amount.raw).sort()).toEqual([
      '-100000000',
      '100000000',
    ]);
    await stream.close();
  });

  it('replays what was missed while a stream was away', async () => {
    const first = openStream(h.url, ada.accessToken, '0');
    await eventually('replay', async () => first.events.length > 0);
    const last = first.events.at(-1)?.id as string;
    await first.close();
    h.gateway.mine([
      { from: TREASURY, to: ada.address, amount: 1n },
      { from: TREASURY, to: ada.address, amount: 2n },
    ]);
    await eventually('rows', async () => (await inboxOf(ada)).length >= 3);
    const second = openStream(h.url, ada.accessToken, last);
    await eventually('both', async () => second.events.length >= 2);
    expect(second.events.map((e) => Number(e.id)).every((id) => id > Number(last))).toBe(true);
    await second.close();
  });

  it('takes back what a reorganisation removed, and posts it again when the block comes back', async () => {
    const before = await balanceOf(ada);
    const keys = h.gateway.mine([{ from: TREASURY, to: ada.address, amount: 7n * RJV }]);
    h.gateway.stage(keys, 'confirmed');
    await eventually('posted', async () => (await balanceOf(ada)) !== before);
    h.gateway.stage(keys, 'reverted');
    await eventually('reversed', async () => (await balanceOf(ada)) === before);
    const told = (await inboxOf(ada)).filter((n: { stage: string }) => n.stage === 'reverted');
    expect(told).toHaveLength(1);
    expect(told[0].title).toContain('Taken back');
    expect(told[0].readAt).toBeNull();
    h.gateway.stage(keys, 'pending');
    await eventually('back', async () => (await balanceOf(ada)) !== before);
    h.gateway.stage(keys, 'reverted');
    await eventually('gone', async () => (await balanceOf(ada)) === before);
    expect(
      (await h.query(`select count(*)::int as n from ledger_entries where kind = 'reversal'`))[0].n,
    ).toBe(2);
  });

  it('brings in the history of a wallet that is linked later, and closes it when it is unlinked', async () => {
    const second = Wallet.createRandom();
    h.gateway.mine([
      { from: TREASURY, to: second.address, amount: 50n * RJV },
      { from: second.address, to: TREASURY, amount: 20n * RJV },
    ]);
    await eventually(
      'consumed',
      async () => Number((await h.query('select seq from event_cursors'))[0].seq) === h.gateway.seq,
    );
    const before = Number(await balanceOf(ada));
    const linked = await h.linkWallet(ada.personId, second);
    expect(linked.status).toBe(201);
    await historyRead(ada);
    expect(Number(await balanceOf(ada))).toBeCloseTo(before + 30);
    const owner = await h.internal('GET', `/internal/wallets/${second.address}`);
    expect(owner.body.personId).toBe(ada.personId);
    const bob = await h.signIn();
    expect((await h.linkWallet(bob.personId, second)).body.code).toBe('already_linked');
    expect(
      (await h.internal('DELETE', `/internal/people/${ada.personId}/wallets/${second.address}`)).status,
    ).toBe(204);
    expect(Number(await balanceOf(ada))).toBeCloseTo(before);
    const last = await h.internal('DELETE', `/internal/people/${ada.personId}/wallets/${ada.address}`);
    expect(last.body.code).toBe('conflict');
  });

  it('rotates refresh tokens and closes the family when one is used twice', async () => {
    const eve = await h.signIn();
    const use = (refreshToken: string) => h.call('POST', '/v1/auth/refresh', { body: { refreshToken } });
    const second = await use(eve.refreshToken);
    expect(second.status).toBe(200);
    // A lost answer: the same token again at once, before its successor was used.
    const repeated = await use(eve.refreshToken);
    expect(repeated.status).toBe(200);
    expect((await use(second.body.refreshToken)).body.code).toBe('invalid_token');
    const third = await use(repeated.body.refreshToken);
    expect(third.status).toBe(200);
    expect((await use(eve.refreshToken)).body.code).toBe('refresh_token_reused');
    expect((await use(third.body.refreshToken)).body.code).toBe('session_revoked');
    expect((await h.call('GET', '/v1/me', { token: eve.accessToken })).body.code).toBe('session_revoked');
    const again = await h.signIn(eve.wallet as Wallet);
    expect((await inboxOf(again)).some((n: { type: string }) => n.type === 'security.refresh-reused')).toBe(
      true,
    );
    const sessions = await h.call('GET', '/v1/me/sessions', { token: again.accessToken });
    expect(sessions.body.data).toHaveLength(1);
    expect(sessions.body.data[0].current).toBe(true);
    expect(
      (await h.call('DELETE', `/v1/me/sessions/${again.sessionId}`, { token: again.accessToken })).status,
    ).toBe(204);
    expect((await h.call('GET', '/v1/me', { token: again.accessToken })).status).toBe(401);
  });

  it('finds and repairs a transfer that the event log never told', async () => {
    const cy = await h.signIn();
    await historyRead(cy);
    h.gateway.mineSilently({ from: TREASURY, to: cy.address, amount: 5n * RJV });
    await eventually(
      'repair',
      async () => (await inboxOf(cy)).some((n: { type: string }) => n.type === 'transfer.in'),
      15_000,
    );
    expect(await balanceOf(cy)).toBe('5');
    const metrics = (await h.call('GET', '/metrics')).body;
    expect(metrics).toMatch(/^notifications_missing\{service="user"\} 0$/m);
  });

  it('does nothing twice with two replicas', async () => {
    const other = await h.startReplica();
    const people = await Promise.all([1, 2, 3].map(() => h.signIn()));
    for (let i = 0; i < 100; i++)
      h.gateway.mine([{ from: TREASURY, to: people[i % 3]?.address as string, amount: BigInt(i + 1) }]);
    await eventually(
      'consumed',
      async () => Number((await h.query('select seq from event_cursors'))[0].seq) === h.gateway.seq,
    );
    for (const p of people) await historyRead(p);
    const doubles = await h.query('select person_id, event_key from inbox group by 1, 2 having count(*) > 1');
    expect(doubles).toHaveLength(0);
    for (const p of people) {
      expect((await inboxOf(p)).length).toBeGreaterThanOrEqual(33);
      const [wallet] = await h.query(
        'select b.balance from ledger_balances b join ledger_accounts a on a.id = b.account_id join wallets w on w.id::text = a.reference where w.address = $1',
        [p.address],
      );
      expect(BigInt(wallet.balance)).toBe(h.gateway.balanceOf(p.address));
    }
    await other.stop();
  });

  it('reconciles with the chain, sees drift, and corrects it by an entry with a reason', async () => {
    const reconcile = async () => (await h.internal('POST', '/internal/ledger/reconcile', {})).body;
    const clean = await eventually('caught up', async () => {
      const result = await reconcile();
      return result.blockNumber !== null && result;
    });
    expect(clean).toMatchObject({ drifts: [] });
    expect(clean.compared).toBeGreaterThan(2);
    const adjust = (amount: string, key: string) =>
      h.internal('POST', '/internal/ledger/adjustments', {
        personId: ada.personId,
        address: ada.address,
        token: h.gateway.token,
        amount,
        key,
        reason: 'Test of an operator',
      });
    expect((await adjust('5', 'wrong-entry-1')).status).toBe(201);
    expect((await adjust('5', 'wrong-entry-1')).status).toBe(200);
    const drifted = await reconcile();
    expect(drifted.drifts).toHaveLength(1);
    expect(BigInt(drifted.drifts[0].ledger) - BigInt(drifted.drifts[0].chain)).toBe(5n);
    await adjust('-5', 'right-entry-1');
    expect((await reconcile()).drifts).toHaveLength(0);
    const range = `from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z`;
    const statement = await h.call('GET', `/v1/me/ledger/statement?${range}`, { token: ada.accessToken });
    const [rjv] = statement.body.data;
    expect(rjv.closing.formatted).toBe(await balanceOf(ada));
    expect(rjv.lines.at(-1).balance.raw).toBe(rjv.closing.raw);
    const csv = await h.call('GET', `/v1/me/ledger/statement?${range}&format=csv`, {
      token: ada.accessToken,
    });
    expect(csv.body.split('\r\n')[0]).toContain('occurred_at');
  });

  it('tells the owner and the requester of a permission, known by their numbers only', async () => {
    const lab = Wallet.createRandom();
    h.gateway.append('identity.created', {
      owner: ada.address,
      sponsor: TREASURY,
      tokenId: '7',
      tokenUri: 'ipfs://x',
    });
    h.gateway.append('identity.created', {
      owner: lab.address,
      sponsor: TREASURY,
      tokenId: '8',
      tokenUri: 'ipfs://y',
    });
    h.gateway.append('permission.granted', {
      ownerId: '7',
      requesterId: '8',
      productId: '1',
      dataHash: '0xabcd',
      permissionHash: '0xef',
    });
    const told = await eventually('permission', async () =>
      (await inboxOf(ada)).find((n: { type: string }) => n.type === 'permission.granted'),
    );
    expect(told.data).not.toHaveProperty('dataHash');
    expect((await inboxOf(ada)).some((n: { type: string }) => n.type === 'identity.created')).toBe(true);
  });

  it('keeps the ledger balanced and unchangeable in the database itself', async () => {
    await expect(h.query('update ledger_postings set amount = amount + 1')).rejects.toThrow('immutable');
    await expect(h.query('delete from ledger_entries')).rejects.toThrow('immutable');
    await expect(h.query('truncate ledger_entries cascade')).rejects.toThrow('immutable');
    await expect(
      h.query(
        `insert into ledger_entries (event_key, kind, occurred_at, recorded_at) values ('x', 'x', now(), now())`,
      ),
    ).rejects.toThrow('two at least');
    const crooked = `with e as (insert into ledger_entries (event_key, kind, occurred_at, recorded_at) values ('y', 'y', now(), now()) returning id),
      a as (select id, asset_id from ledger_accounts limit 2)
      insert into ledger_postings (entry_id, account_id, asset_id, amount) select e.id, a.id, a.asset_id, 5 from e, a`;
    await expect(h.query(crooked)).rejects.toThrow('does not sum to zero');
  });

  it('survives a cut of Postgres and a gateway that is down', async () => {
    const dan = await h.signIn();
    await historyRead(dan);
    const stream = openStream(h.url, dan.accessToken);
    await stream.opened;
    await h.postgres.cutConnections();
    h.gateway.mine([{ from: TREASURY, to: dan.address, amount: 1n }]);
    await eventually('after the cut', async () => stream.events.some((e) => e.data.type === 'transfer.in'));
    h.gateway.down = true;
    await new Promise((resolve) => setTimeout(resolve, 300));
    h.gateway.down = false;
    h.gateway.mine([{ from: TREASURY, to: dan.address, amount: 2n }]);
    await eventually(
      'after the outage',
      async () => stream.events.filter((e) => e.data.type === 'transfer.in').length === 2,
    );
    expect((await h.call('GET', '/readyz')).status).toBe(200);
    await stream.close();
  });
});
