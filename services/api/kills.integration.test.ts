import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { freePort } from '../../tools/stack/parts/free-port.ts';
import { eventually } from '../../tools/testing/eventually.ts';
import { WALLET } from './docs/examples.ts';
import { BOOTSTRAP_KEY, startApiWorld } from './testing/api-harness.ts';

const REPEATS = 50;
/** KILL_ROUNDS=20 is the long run. */
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 2);

/** The same POST fifty times at once, and the process killed in between: one effect, one answer. */
describe('creating requests under kill -9', () => {
  let world: Awaited<ReturnType<typeof startApiWorld>>;
  let url: string;
  let child: ChildProcess;
  let db: pg.Client;
  let ada: string;
  const started = async (): Promise<void> => {
    child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
      env: { PATH: process.env.PATH ?? '', ...world.env, PORT: new URL(url).port },
      stdio: 'ignore',
    });
    await eventually(async () => (await fetch(`${url}/readyz`)).ok, { timeoutMs: 60_000, what: 'readiness' });
  };
  const kill = async (): Promise<void> => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };

  beforeAll(async () => {
    world = await startApiWorld();
    world.user.owners.set(WALLET, 'ada');
    ada = await world.user.accessToken('ada', { expiresInSeconds: 3_600 });
    url = `http://127.0.0.1:${await freePort()}`;
    await started();
    db = new pg.Client({ connectionString: world.postgres.url, options: '-c search_path=api' });
    await db.connect();
  }, 120_000);
  afterAll(async () => {
    if (child?.exitCode === null) await kill();
    await db?.end();
    await world?.drop();
  });

  async function post(path: string, token: string, key: string, body: unknown) {
    const answer = await fetch(url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  }

  /** @returns the one answer that everybody got who got any. */
  async function storm(path: string, token: string, body: unknown): Promise<Record<string, unknown>> {
    const key = crypto.randomUUID();
    const answered: { status: number; body: Record<string, unknown> }[] = [];
    const requests = Array.from({ length: REPEATS }, () =>
      // Cut off by the kill: such a client knows nothing, and asks again below.
      post(path, token, key, body).then(
        (answer) => answered.push(answer),
        () => undefined,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 4 + Math.random() * 60));
    await kill();
    await Promise.all(requests);
    await started();
    const final = await eventually(async () => {
      const answer = await post(path, token, key, body);
      return answer.status === 409 ? false : answer;
    });
    expect([200, 201, 202]).toContain(final.status);
    for (const answer of answered)
      if (answer.status !== 409) expect(answer).toEqual({ status: final.status, body: final.body });
    return final.body;
  }

  it(
    'makes one client, one reservation and one payment of each',
    async () => {
      const setUp = async (path: string, body: unknown): Promise<string> =>
        (await post(path, BOOTSTRAP_KEY, crypto.randomUUID(), body)).body.id as string;
      for (let round = 0; round < ROUNDS; round++) {
        const name = `client ${round}`;
        const made = await storm('/v1/clients', BOOTSTRAP_KEY, { name, scopes: ['tokens:read'] });
        const clients = await db.query('select id from api_clients where name = $1', [name]);
        expect(clients.rows).toEqual([{ id: made.id }]);

        const offer = await setUp('/v1/partner-offers', {
          ...{ title: 't', description: 'd', price: '1', payee: WALLET },
          stock: 10,
        });
        const reserved = await storm(`/v1/partner-offers/${offer}/redemptions`, ada, { wallet: WALLET });
        const redemptions = await db.query('select id from redemptions where offer_id = $1', [offer]);
        expect(redemptions.rows).toEqual([{ id: reserved.id }]);
        const [left] = (await db.query('select stock from partner_offers where id = $1', [offer])).rows;
        expect(Number(left.stock)).toBe(9);

        const opportunity = await setUp('/v1/earning-opportunities', {
          ...{ title: 't', description: 'd', criterion: 'linked-wallets', target: 1, reward: '1' },
        });
        const claimed = await storm(`/v1/earning-opportunities/${opportunity}/claim`, ada, {
          wallet: WALLET,
        });
        const payments = [...world.gateway.transactions.values()].filter(
          (t) => t.id === claimed.transactionId,
        );
        expect(payments).toHaveLength(1);
        expect([...world.gateway.transactions.values()].filter((t) => t.purpose === 'reward')).toHaveLength(
          round + 1,
        );
      }
    },
    60_000 + ROUNDS * 60_000,
  );
});
