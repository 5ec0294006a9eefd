import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../lib/random.ts';
import { createBrowser, startHttpReceiver, startSmtp } from './testing/receivers.ts';
import {
  eventually,
  type Harness,
  startHarness,
  TEST_SECRET,
  type TestPerson,
} from './testing/user-harness.ts';

/** The proof is the same with 100 000 transfers to 5 000 people: PROOF_TRANSFERS=100000 PROOF_PEOPLE=5000. */
const TRANSFERS = Number(process.env.PROOF_TRANSFERS ?? 300);
const PEOPLE = Number(process.env.PROOF_PEOPLE ?? 20);
const SEED = Number(process.env.PROOF_SEED ?? 20_260_101);
const TREASURY = '0x1111111111111111111111111111111111111111';
const PATIENCE_MS = 60_000 + TRANSFERS * 60;

describe('completeness under faults', () => {
  let h: Harness;
  let smtp: Awaited<ReturnType<typeof startSmtp>>;
  let http: Awaited<ReturnType<typeof startHttpReceiver>>;
  const workers = new Set<ChildProcess>();
  const random = createSeededRandom(SEED);
  const chance = (p: number): boolean => random.float() < p;
  let env: Record<string, string>;

  /** A worker as a process of its own, so that it can be killed without a chance to say goodbye. */
  const startWorker = (): ChildProcess => {
    const child = spawn(process.execPath, ['services/user/main.ts'], {
      env: {
        PATH: process.env.PATH ?? '',
        ...env,
        ROLES: 'events,delivery,jobs',
        PORT: '0',
        LOG_LEVEL: 'error',
      },
      stdio: process.env.PROOF_LOG ? 'inherit' : 'ignore',
    });
    workers.add(child);
    child.once('exit', () => workers.delete(child));
    return child;
  };

  beforeAll(async () => {
    smtp = await startSmtp();
    http = await startHttpReceiver();
    const faults = {
      SMTP_URL: smtp.url,
      EMAIL_TIMEOUT_MS: '4000',
      ALLOW_PRIVATE_TARGETS: 'true',
      DELIVERY_BACKOFF_MS: '50',
      DELIVERY_LEASE_MS: '10000',
      AUDIT_INTERVAL_MS: '1000',
      AUDIT_GRACE_MS: '5000',
    };
    // This replica serves HTTP only; all the work is done by those that are killed.
    h = await startHarness({ ...faults, ROLES: 'http' });
    env = {
      ...faults,
      DATABASE_URL: h.postgres.url,
      REDIS_URL: h.redis.url,
      REDIS_PREFIX: h.redis.prefix,
      SERVICE_AUTH_KEYS: `t1:${TEST_SECRET}`,
      GATEWAY_URL: h.gateway.url,
      USER_ISSUER: 'http://user.test',
      DRAIN_TIMEOUT_MS: '500',
    };
    smtp.state.slowMs = 200;
    smtp.state.behaviour = () =>
      chance(0.1) ? 'refuse-later' : chance(0.03) ? 'accept-then-hang' : chance(0.1) ? 'slow' : 'accept';
    http.state.answer = ({ path }) => {
      if (path.startsWith('/gone')) return { status: 410 };
      return chance(0.1)
        ? { status: 429, headers: { 'retry-after': '0' } }
        : chance(0.1)
          ? { status: 500 }
          : { status: 201 };
    };
  }, 60_000);
  afterAll(async () => {
    for (const child of workers) child.kill('SIGKILL');
    await h?.stop();
    await smtp.close();
    await http.close();
  });

  it(
    'tells every person of every transfer exactly once, whatever breaks',
    async () => {
      startWorker();
      const people: TestPerson[] = [];
      for (let i = 0; i < PEOPLE; i++) {
        const person = await h.signIn();
        people.push(person);
        const post = (path: string, body: unknown) =>
          h.call('POST', path, { token: person.accessToken, body });
        await post('/v1/me/push-subscriptions', createBrowser(`${http.url}/push/${i}`).subscription);
        if (i % 5 === 0)
          await post('/v1/me/push-subscriptions', createBrowser(`${http.url}/gone/${i}`).subscription);
        await post('/v1/me/webhooks', { url: `${http.url}/hook/${i}` });
        await h.query(
          `insert into email_addresses (person_id, address, confirmed_at) values ($1, $2, now())`,
          [person.personId, `p${i}@example.org`],
        );
      }
      await eventually(
        'histories',
        async () => (await h.query(`select 1 from wallets where history_state = 'waiting'`)).length === 0,
        PATIENCE_MS,
      );

      const alive: string[] = [];
      let reverted = 0;
      for (let sent = 0; sent < TRANSFERS; ) {
        const block = Array.from(
          { length: Math.min(1 + Math.floor(random.float() * 10), TRANSFERS - sent) },
          () => ({
            from: chance(0.2) ? (people[Math.floor(random.float() * PEOPLE)]?.address as string) : TREASURY,
            to: people[Math.floor(random.float() * PEOPLE)]?.address as string,
            amount: BigInt(1 + Math.floor(random.float() * 1e6)),
          }),
        );
        sent += block.length;
        const keys = h.gateway.mine(block);
        if (chance(0.7)) h.gateway.stage(keys, 'confirmed');
        if (chance(0.1)) {
          h.gateway.stage(keys, 'reverted');
          if (chance(0.3)) {
            h.gateway.stage(keys, 'pending');
            alive.push(...keys);
          } else reverted += keys.length;
        } else alive.push(...keys);
        if (chance(0.05)) [...workers][0]?.kill('SIGKILL');
        if (chance(0.05)) await h.redis.flush();
        if (chance(0.03)) await h.postgres.cutConnections();
        if (chance(0.05)) {
          h.gateway.down = true;
          setTimeout(() => {
            h.gateway.down = false;
          }, 200);
        }
        while (workers.size < 2) startWorker();
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      h.gateway.stage(alive, 'confirmed');
      h.gateway.stage(alive, 'finalized');
      const started = Date.now();
      await eventually(
        'consumed',
        async () => {
          while (workers.size < 2) startWorker();
          return Number((await h.query('select seq from event_cursors'))[0].seq) === h.gateway.seq;
        },
        PATIENCE_MS,
      );
      const consumedMs = Date.now() - started;
      const open = async () =>
        (await h.query(`select count(*)::int as n from deliveries where state in ('waiting', 'sending')`))[0]
          .n;
      await eventually('delivered', async () => (await open()) === 0, PATIENCE_MS).catch(
        async (error: unknown) => {
          const stuck = await h.query(
            `select channel, state, attempts, claims, reason, due_at - now() as due, lease_until - now() as lease from deliveries where state in ('waiting', 'sending') limit 10`,
          );
          throw new Error(`not delivered: ${JSON.stringify(stuck)}`, { cause: error });
        },
      );

      // Expected: from what the test itself put on the chain, for each side of a transfer that one of ours has.
      const personOf = new Map(people.map((p) => [p.address, p.personId]));
      const expected = new Set<string>();
      for (const { key, from, to } of h.gateway.canonical()) {
        for (const side of [from, to]) {
          const person = personOf.get(side);
          if (person) expected.add(`${person}|${key}`);
        }
      }
      const rows = await h.query(
        `select person_id, event_key, stage, count(*)::int as n from inbox where type like 'transfer.%' group by 1, 2, 3`,
      );
      expect(rows.every((r) => r.n === 1)).toBe(true);
      const live = rows.filter((r) => r.stage !== 'reverted').map((r) => `${r.person_id}|${r.event_key}`);
      expect(new Set(live)).toEqual(expected);
      expect(live).toHaveLength(expected.size);
      if (reverted > 0) expect(rows.some((r) => r.stage === 'reverted')).toBe(true);

      const states = await h.query(
        `select channel, state, count(*)::int as n from deliveries group by 1, 2 order by 1, 2`,
      );
      expect(
        await h.query(`select 1 from deliveries where state = 'dead' and coalesce(reason, '') = ''`),
      ).toHaveLength(0);
      const undelivered = await h.query(
        `select i.id from inbox i where i.type like 'transfer.%' and i.stage = 'finalized' and not exists (select 1 from deliveries d where d.inbox_id = i.id and d.channel = 'email')`,
      );
      expect(undelivered).toHaveLength(0);
      const sums = await h.query('select asset_id from ledger_postings group by 1 having sum(amount) <> 0');
      expect(sums).toHaveLength(0);
      for (const p of people) {
        const [row] = await h.query(
          `select coalesce(sum(b.balance), 0)::text as balance from ledger_balances b join ledger_accounts a on a.id = b.account_id join wallets w on w.id::text = a.reference where w.address = $1`,
          [p.address],
        );
        expect(BigInt(row.balance)).toBe(h.gateway.balanceOf(p.address));
      }
      process.stdout.write(
        `seed ${SEED}: ${TRANSFERS} transfers, ${expected.size} told, ${reverted} reverted, drained in ${consumedMs} ms; ${JSON.stringify(states.map((s) => `${s.channel} ${s.state} ${s.n}`))}\n`,
      );
    },
    PATIENCE_MS * 3,
  );
});
