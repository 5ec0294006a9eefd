import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startPartnerStandIns } from '../testing/partner-stand-ins.ts';
import { startHttpReceiver } from '../testing/receivers.ts';
import { eventually, type Harness, startHarness, type TestPerson } from '../testing/user-harness.ts';

describe('partners and analytics', () => {
  let h: Harness;
  let ada: TestPerson;
  let partners: Awaited<ReturnType<typeof startPartnerStandIns>>;
  let collector: Awaited<ReturnType<typeof startHttpReceiver>>;
  const folder = mkdtempSync(join(tmpdir(), 'partners-'));
  const order = (connector: string, offerId: string, key: string) =>
    h.call('POST', '/v1/partner-orders', {
      token: ada.accessToken,
      body: { connector, offerId },
      headers: { 'idempotency-key': key },
    });
  const orders = async () =>
    (await h.call('GET', '/v1/partner-orders', { token: ada.accessToken })).body.data;
  const hook = (connector: string, sent: { body: string; headers: Record<string, string> }) =>
    fetch(`${h.url}/v1/partners/${connector}/webhooks`, { method: 'POST', ...sent });

  beforeAll(async () => {
    partners = await startPartnerStandIns();
    collector = await startHttpReceiver();
    Object.assign(process.env, partners.env);
    const file = join(folder, 'partners.json');
    writeFileSync(file, JSON.stringify(partners.config));
    h = await startHarness({
      PARTNERS_FILE: file,
      PARTNER_REFRESH_MS: '500',
      DELIVERY_BACKOFF_MS: '50',
      ANALYTICS_URL: collector.url,
    });
    ada = await h.signIn();
  }, 60_000);
  afterAll(async () => {
    await h?.stop();
    await partners.http.close();
    await collector.close();
    rmSync(folder, { recursive: true });
    for (const name of Object.keys(partners.env)) delete process.env[name];
  });

  it('takes in the offers of both, and shows operators what could not be understood', async () => {
    const offers = await eventually('offers', async () => {
      const { data } = (await h.call('GET', '/v1/partner-offers', { token: ada.accessToken })).body;
      return data.length === 3 && data;
    });
    expect(offers.map((o: { offerId: string; price: string }) => `${o.offerId} ${o.price}`)).toEqual([
      'BOOK 1250',
      'spa 2500000',
      'yoga 1000000',
    ]);
    const problems = (await h.internal('GET', '/internal/partners/problems')).body.data;
    expect(problems.map((p: { connector: string }) => p.connector).sort()).toEqual(['books', 'wellness']);
  });

  it('places an order once although the first answer was lost, and a refused one is told', async () => {
    partners.state.failOrders = 1;
    const first = await order('wellness', 'yoga', 'order-key-0001');
    expect(first.status).toBe(202);
    expect((await order('wellness', 'yoga', 'order-key-0001')).body.id).toBe(first.body.id);
    expect((await order('wellness', 'spa', 'order-key-0001')).status).toBe(422);
    await order('wellness', 'spa', 'order-key-0002');
    await order('books', 'BOOK', 'order-key-0003');
    await eventually(
      'sent',
      async () =>
        (await orders())
          .map((o: { state: string }) => o.state)
          .sort()
          .join() === 'refused,sent,sent',
    );
    expect([...partners.state.orders.keys()].filter((k) => k === first.body.id)).toHaveLength(1);
    const inbox = (await h.call('GET', '/v1/notifications', { token: ada.accessToken })).body.data;
    expect(inbox.some((n: { type: string }) => n.type === 'partner.order-refused')).toBe(true);
  });

  it('believes signed webhooks only, once, and only fresh ones', async () => {
    const reference = partners.state.orders.get(
      (await orders()).find((o: { offerId: string }) => o.offerId === 'yoga').id,
    ) as string;
    const good = partners.restWebhook('msg-1', 'order.fulfilled', reference);
    expect(
      (await hook('wellness', { ...good, body: good.body.replace('fulfilled', 'refused') })).status,
    ).toBe(401);
    expect(
      (
        await hook(
          'wellness',
          partners.restWebhook('msg-0', 'order.fulfilled', reference, Math.floor(Date.now() / 1000) - 3600),
        )
      ).status,
    ).toBe(401);
    expect(await (await hook('wellness', good)).json()).toEqual({ fresh: true });
    expect(await (await hook('wellness', good)).json()).toEqual({ fresh: false });
    const number = partners.state.orders.get(
      (await orders()).find((o: { offerId: string }) => o.offerId === 'BOOK').id,
    ) as string;
    expect(await (await hook('books', partners.formWebhook('m-1', number, 'DONE'))).json()).toEqual({
      fresh: true,
    });
    expect((await orders()).map((o: { state: string }) => o.state).sort()).toEqual([
      'fulfilled',
      'fulfilled',
      'refused',
    ]);
    expect((await hook('nobody', good)).status).toBe(404);
  });

  it('sends analytics of people who agreed, by pseudonym', async () => {
    const bob = await h.signIn();
    await h.call('PUT', '/v1/me/preferences', {
      token: ada.accessToken,
      body: { consent: { analytics: true } },
    });
    const keys = h.gateway.mine(
      [ada, bob].map((p) => ({
        from: '0x1111111111111111111111111111111111111111',
        to: p.address,
        amount: 3n,
      })),
    );
    h.gateway.stage(keys, 'confirmed');
    const got = await eventually('events', async () => collector.received.length > 0 && collector.received);
    const lines = got.flatMap((r) => r.body.toString().split('\n')).map((l) => JSON.parse(l));
    expect(lines).toHaveLength(1);
    expect(lines[0].type).toBe('transfer.in');
    expect(JSON.stringify(lines)).not.toContain(ada.personId);
    expect(JSON.stringify(lines)).not.toContain(ada.address);
  });
});
