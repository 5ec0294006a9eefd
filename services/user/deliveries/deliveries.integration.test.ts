import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Wallet } from 'ethers';
import { jwtVerify } from 'jose';
import { signWebhook } from '../../../lib/standard-webhooks.ts';
import { eventually as settle } from '../../../tools/testing/eventually.ts';
import { notificationWebhookSchema } from '../openapi-info.ts';
import { createBrowser, fcmCredentials, startHttpReceiver, startSmtp } from '../testing/receivers.ts';
import { eventually, type Harness, startHarness, type TestPerson } from '../testing/user-harness.ts';

const TREASURY = '0x1111111111111111111111111111111111111111';

describe('deliveries', () => {
  let h: Harness;
  let smtp: Awaited<ReturnType<typeof startSmtp>>;
  let http: Awaited<ReturnType<typeof startHttpReceiver>>;
  let ada: TestPerson;
  const folder = mkdtempSync(join(tmpdir(), 'fcm-'));

  const post = (p: TestPerson, path: string, body: unknown) =>
    h.call('POST', path, { token: p.accessToken, body });
  const receive = (p: TestPerson, amount = 1n) => {
    const keys = h.gateway.mine([{ from: TREASURY, to: p.address, amount }]);
    h.gateway.stage(keys, 'confirmed');
    return keys;
  };
  const deliveriesOf = (p: TestPerson) =>
    h.query(
      'select channel, state, reason, attempts, kind, target from deliveries where person_id = $1 order by created_at',
      [p.personId],
    );
  const confirmEmail = async (p: TestPerson, email: string) => {
    const before = smtp.mails.length;
    const challenge = await post(p, '/v1/me/email', { email });
    expect(challenge.status).toBe(202);
    const mail = await eventually('code', async () =>
      smtp.mails.slice(before).find((m) => m.to.text.includes(email)),
    );
    const code = /\b(\d{6})\b/.exec(mail.text)?.[1];
    const done = await post(p, '/v1/me/email/confirm', { challengeId: challenge.body.challengeId, code });
    expect(done.status).toBe(204);
    await eventually('notice', async () =>
      smtp.mails.some((m) => m.subject === 'An e-mail address was confirmed' && m.to.text.includes(email)),
    );
  };

  beforeAll(async () => {
    smtp = await startSmtp();
    http = await startHttpReceiver();
    const file = join(folder, 'fcm.json');
    writeFileSync(file, fcmCredentials(`${http.url}/token`));
    h = await startHarness({
      SMTP_URL: smtp.url,
      EMAIL_FROM: 'Rejuve <no-reply@rejuve.test>',
      EMAIL_TIMEOUT_MS: '700',
      APP_URL: 'https://app.test',
      ALLOW_PRIVATE_TARGETS: 'true',
      DELIVERY_BACKOFF_MS: '40',
      FCM_CREDENTIALS_FILE: file,
      FCM_URL: `${http.url}/fcm`,
    });
    ada = await h.signIn();
    http.state.answer = ({ path }) =>
      path === '/token'
        ? { status: 200, body: JSON.stringify({ access_token: 'fcm-token', expires_in: 3600 }) }
        : { status: path.startsWith('/fcm') ? 200 : 201 };
  }, 60_000);
  afterAll(async () => {
    await h?.stop();
    await smtp.close();
    await http.close();
    rmSync(folder, { recursive: true });
  });

  it('confirms an address with a code, and signs in with one', async () => {
    await confirmEmail(ada, 'ada@example.org');
    const asked = await h.call('POST', '/v1/auth/email', { body: { email: 'ADA@example.org' } });
    expect(asked.status).toBe(202);
    const mail = await eventually('mail', async () =>
      smtp.mails.find((m) => m.subject === 'Your sign-in code'),
    );
    expect(mail.headers.get('list-unsubscribe')).toBeUndefined();
    const verify = (code: string, challengeId = asked.body.challengeId) =>
      h.call('POST', '/v1/auth/email/verify', { body: { challengeId, code } });
    const code = /\b(\d{6})\b/.exec(mail.text)?.[1] as string;
    expect((await verify(code === '000000' ? '000001' : '000000')).body.code).toBe('invalid_token');
    const signedIn = await verify(code);
    expect(signedIn.status).toBe(200);
    expect(signedIn.body.personId).toBe(ada.personId);
    expect((await verify(code)).status).toBe(401);
    const unknown = await h.call('POST', '/v1/auth/email', { body: { email: 'nobody@example.org' } });
    expect(Object.keys(unknown.body)).toEqual(Object.keys(asked.body));
    expect(
      (
        await h.query(`select sealed_payload from deliveries where kind = 'code' and state = 'delivered'`)
      ).every((r) => r.sealed_payload === null),
    ).toBe(true);
  });

  it('stops guessing after five tries', async () => {
    const asked = await h.call('POST', '/v1/auth/email', { body: { email: 'ada@example.org' } });
    const mail = await eventually(
      'mail',
      async () => smtp.mails.filter((m) => m.subject === 'Your sign-in code')[1],
    );
    const code = /\b(\d{6})\b/.exec(mail.text)?.[1] as string;
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, '0');
    for (let i = 0; i < 5; i++)
      await h.call('POST', '/v1/auth/email/verify', {
        body: { challengeId: asked.body.challengeId, code: wrong },
      });
    expect(
      (await h.call('POST', '/v1/auth/email/verify', { body: { challengeId: asked.body.challengeId, code } }))
        .status,
    ).toBe(401);
  });

  it('reaches e-mail, browser, device and webhook, each in its own protocol', async () => {
    const browser = createBrowser(`${http.url}/push/1`);
    expect((await post(ada, '/v1/me/push-subscriptions', browser.subscription)).status).toBe(201);
    expect((await post(ada, '/v1/me/devices', { token: 'device-token-0123456789' })).status).toBe(201);
    const hook = await post(ada, '/v1/me/webhooks', { url: `${http.url}/hook` });
    expect(hook.status).toBe(201);
    const from = http.received.length;
    receive(ada, 42_000_000n);
    const of = (path: string) => http.received.slice(from).find((r) => r.path.startsWith(path));
    await eventually(
      'all four',
      async () =>
        of('/push/1') && of('/hook') && of('/fcm') && smtp.mails.some((m) => m.subject.includes('42 RJV')),
    );

    const inbox = (await h.call('GET', '/v1/notifications', { token: ada.accessToken })).body.data.find(
      (n: { type: string }) => n.type === 'transfer.in',
    );
    const push = of('/push/1');
    expect(browser.read(push?.body as Buffer)).toEqual({ id: inbox.id, kind: 'notice' });
    const [, jwt, key] = /^vapid t=(\S+), k=(\S+)$/.exec(push?.headers.authorization ?? '') ?? [];
    const point = Buffer.from(key as string, 'base64url');
    const vapidKey = createPublicKey({
      key: {
        kty: 'EC',
        crv: 'P-256',
        x: point.subarray(1, 33).toString('base64url'),
        y: point.subarray(33).toString('base64url'),
      },
      format: 'jwk',
    });
    const { payload } = await jwtVerify(jwt as string, vapidKey, { audience: http.url });
    expect((payload.exp as number) - Date.now() / 1000).toBeLessThan(24 * 3600);
    expect((await h.call('GET', '/v1/push/key')).body.publicKey).toBe(key);

    const hit = of('/hook');
    const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = hit?.headers ?? {};
    expect(signature).toBe(signWebhook(hook.body.secret, String(id), Number(at), hit?.body.toString() ?? ''));
    notificationWebhookSchema.parse(JSON.parse(hit?.body.toString() ?? ''));
    expect(hit?.body.toString()).not.toMatch(/amount|42000000|0x/);

    const fcm = of('/fcm');
    expect(fcm?.headers.authorization).toBe('Bearer fcm-token');
    expect(JSON.parse(fcm?.body.toString() ?? '').message.data).toEqual({ id: inbox.id, kind: 'notice' });

    const mail = smtp.mails.find((m) => m.subject.includes('42 RJV'));
    expect(mail?.html).toContain(`https://app.test/notifications/${inbox.id}`);
    expect(mail?.headerLines.find((l) => l.key === 'list-unsubscribe-post')?.line).toBe(
      'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
    );
    // The receivers have it a moment before the record says so.
    await settle(async () => {
      const explained = await h.call('GET', `/v1/notifications/${inbox.id}/deliveries`, {
        token: ada.accessToken,
      });
      expect(
        explained.body.data.map((d: { channel: string; state: string }) => `${d.channel} ${d.state}`).sort(),
      ).toEqual(['email delivered', 'fcm delivered', 'push delivered', 'webhook delivered']);
    });
  });

  it('retries what may succeed, buries what cannot, and lets no channel wait for another', async () => {
    const bob = await h.signIn();
    await confirmEmail(bob, 'bob@example.org');
    await post(bob, '/v1/me/push-subscriptions', createBrowser(`${http.url}/push/bob`).subscription);
    await post(bob, '/v1/me/push-subscriptions', createBrowser(`${http.url}/push/gone`).subscription);
    let pushes = 0;
    const normal = http.state.answer;
    http.state.answer = (r) => {
      if (r.path === '/push/gone') return { status: 410 };
      if (r.path === '/push/bob')
        return pushes++ === 0
          ? { status: 429, headers: { 'retry-after': '0' } }
          : pushes === 2
            ? { status: 500 }
            : { status: 201 };
      return normal(r);
    };
    const sent: string[] = [];
    smtp.state.behaviour = () => {
      sent.push('x');
      // Once busy, once accepted without saying so, then well.
      return sent.length <= 2 ? 'refuse-later' : sent.length <= 4 ? 'accept-then-hang' : 'accept';
    };
    receive(bob, 5_000_000n);
    await eventually(
      'settled',
      async () => {
        const rows = (await deliveriesOf(bob)).filter((d) => d.kind === 'notice' && d.channel !== 'webhook');
        return (
          rows.filter((d) => ['delivered', 'dead'].includes(d.state)).length >= 3 &&
          rows.some((d) => d.channel === 'email' && d.state === 'delivered' && d.attempts >= 3)
        );
      },
      20_000,
    );
    smtp.state.behaviour = () => 'accept';
    http.state.answer = normal;
    const mails = smtp.mails.filter((m) => m.subject.includes('5 RJV'));
    expect(mails.length).toBeGreaterThanOrEqual(2);
    expect(new Set(mails.map((m) => m.messageId)).size).toBe(1);
    const targets = await h.call('GET', '/v1/me/delivery-targets', { token: bob.accessToken });
    expect(
      targets.body.data.filter((t: { disabledAt: string | null }) => t.disabledAt !== null),
    ).toHaveLength(1);
    const dead = await h.internal('GET', '/internal/deliveries/dead?channel=push');
    expect(dead.body.data[0].reason).toContain('410');
  });

  it('blocks an address that the server does not know, and says why nothing comes', async () => {
    const cy = await h.signIn();
    await confirmEmail(cy, 'cy@example.org');
    smtp.state.behaviour = () => 'refuse-address';
    receive(cy);
    await eventually('dead', async () =>
      (await deliveriesOf(cy)).some((d) => d.state === 'dead' && d.channel === 'email'),
    );
    smtp.state.behaviour = () => 'accept';
    receive(cy);
    const row = await eventually('suppressed', async () =>
      (await deliveriesOf(cy)).find((d) => d.state === 'suppressed'),
    );
    expect(row.reason).toContain('blocked');
    expect(
      (await h.internal('POST', '/internal/deliveries/redrive', { channel: 'email' })).body.redriven,
    ).toBeGreaterThan(0);
  });

  it('announces a reversal where it had told, and calls off what it had not', async () => {
    const from = http.received.length;
    const keys = receive(ada, 9_000_000n);
    await eventually('told', async () => http.received.slice(from).some((r) => r.path === '/hook'));
    await eventually('mailed', async () => smtp.mails.some((m) => m.subject.includes('received 9 RJV')));
    h.gateway.stage(keys, 'reverted');
    await eventually('taken back', async () =>
      http.received
        .slice(from)
        .some((r) => r.path === '/hook' && r.body.toString().includes('notification.reverted')),
    );
    await eventually('mail', async () =>
      smtp.mails.some((m) => m.subject.startsWith('Taken back') && m.subject.includes('9 RJV')),
    );
  });

  it('collects a digest into one message, respects minimum amounts, switches and one-click unsubscribe', async () => {
    const dee = await h.signIn();
    await confirmEmail(dee, 'dee@example.org');
    const put = (settings: unknown) =>
      h.call('PUT', '/v1/me/preferences', { token: dee.accessToken, body: settings });
    await put({ minimumAmounts: { RJV: '1' } });
    receive(dee, 999_999n);
    const small = await eventually('suppressed', async () =>
      (await deliveriesOf(dee)).find((d) => d.state === 'suppressed'),
    );
    expect(small.reason).toContain('below the minimum');
    await put({ channels: { email: { digest: 'hourly' } } });
    for (const amount of [1_000_001n, 1_000_002n, 1_000_003n]) receive(dee, amount);
    await eventually(
      'planned',
      async () =>
        (await h.query('select 1 from deliveries where person_id = $1 and digest', [dee.personId])).length ===
        3,
    );
    await h.query('update deliveries set due_at = now() where person_id = $1 and digest', [dee.personId]);
    const digest = await eventually('digest', async () =>
      smtp.mails.find((m) => m.subject === '3 news from Rejuve'),
    );
    expect(digest.text).toContain('1.000001 RJV');
    expect(digest.text).toContain('1.000003 RJV');
    const link = /https?:\S+unsubscribe\?token=\S+/.exec(digest.text)?.[0] as string;
    const token = new URL(link).searchParams.get('token') as string;
    expect((await h.call('POST', `/v1/unsubscribe?token=${token}x`)).status).toBe(401);
    expect((await h.call('GET', `/v1/unsubscribe?token=${token}`)).status).toBe(200);
    expect((await h.call('POST', `/v1/unsubscribe?token=${token}`)).status).toBe(200);
    const settings = await h.call('GET', '/v1/me/preferences', { token: dee.accessToken });
    expect(settings.body.channels.email).toMatchObject({ enabled: false, digest: 'hourly' });
  });

  it('sends with Redis flushed, and rotates webhook secrets with both signing', async () => {
    const rotated = await post(
      ada,
      `/v1/me/webhooks/${(await h.call('GET', '/v1/me/delivery-targets', { token: ada.accessToken })).body.data.find((t: { channel: string }) => t.channel === 'webhook').id}/rotate`,
      undefined,
    );
    expect(rotated.status).toBe(200);
    const from = http.received.length;
    await h.redis.flush();
    receive(ada, 3n);
    const hit = await eventually('hook', async () =>
      http.received.slice(from).find((r) => r.path === '/hook'),
    );
    expect(String(hit.headers['webhook-signature']).split(' ')).toHaveLength(2);
  });

  it('asks for a step-up, exports, and erases without unbalancing the ledger', async () => {
    const eve = await h.signIn();
    await eventually(
      'history',
      async () =>
        (
          await h.query(`select 1 from wallets where person_id = $1 and history_state = 'done'`, [
            eve.personId,
          ])
        ).length === 1,
    );
    receive(eve, 77n);
    await eventually(
      'ledger',
      async () =>
        (await h.call('GET', '/v1/me/ledger/balances', { token: eve.accessToken })).body.data.length > 0,
    );
    await h.query(`update sessions set created_at = now() - interval '1 hour' where person_id = $1`, [
      eve.personId,
    ]);
    expect((await h.call('DELETE', '/v1/me', { token: eve.accessToken })).body.code).toBe('step_up_required');
    const challenge = await post(eve, '/v1/auth/step-up/challenge', {
      method: 'wallet',
      address: eve.address,
    });
    const signature = await (eve.wallet as Wallet).signMessage(challenge.body.message);
    expect((await post(eve, '/v1/auth/step-up', { message: challenge.body.message, signature })).status).toBe(
      204,
    );
    const exported = await h.call('GET', '/v1/me/export', { token: eve.accessToken });
    expect(exported.body.wallets[0].address).toBe(eve.address);
    expect(exported.body.ledger).toHaveLength(1);
    expect((await h.call('DELETE', '/v1/me', { token: eve.accessToken })).status).toBe(204);
    expect((await h.call('GET', '/v1/me', { token: eve.accessToken })).status).toBe(401);
    expect(await h.query('select 1 from wallets where address = $1', [eve.address])).toHaveLength(0);
    const sums = await h.query('select asset_id, sum(amount)::text as sum from ledger_postings group by 1');
    expect(sums.every((r) => r.sum === '0')).toBe(true);
    expect((await h.signIn(eve.wallet as Wallet)).personId).not.toBe(eve.personId);
  });
});
