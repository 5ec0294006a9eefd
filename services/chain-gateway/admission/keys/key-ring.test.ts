import { describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../../../lib/random.ts';
import { createManualClock } from '../../../../lib/time.ts';
import type { Identified } from '../../rpc/http-handler.ts';
import { createKeyRing } from './key-ring.ts';
import { mintSecret } from './key-secret.ts';
import type { KeyRecord, SecretRecord } from './key-store.ts';

const request = { headers: {} };

/** A ring on a database of one key, whose answers take as long as the test says. */
function createWorld(settings: { news: boolean }) {
  const clock = createManualClock(1_800_000_000_000);
  const minted = mintSecret(createSeededRandom(1, clock));
  const key: { -readonly [K in keyof KeyRecord]: KeyRecord[K] } = {
    id: '00112233aabbccdd',
    name: 'key',
    chains: null,
    methods: null,
    access: 'read',
    priorities: ['standard'],
    weight: 1,
    unitsPerSecond: null,
    burst: null,
    createdBy: 'operator',
    createdAt: new Date(clock.now()),
    expiresAt: null,
    revokedAt: null,
  };
  const secret: { -readonly [K in keyof SecretRecord]: SecretRecord[K] } = {
    id: minted.id,
    keyId: key.id,
    hash: minted.hash,
    createdAt: new Date(clock.now()),
    expiresAt: null,
    lastUsedAt: null,
  };
  const world = { away: false, delayMs: 1, loads: 0, touched: 0 };
  const ring = createKeyRing({
    async load(ids) {
      world.loads++;
      const found = ids.includes(secret.id)
        ? { keys: [{ ...key }], secrets: [{ ...secret }] }
        : { keys: [], secrets: [] };
      await clock.sleep(world.delayMs);
      if (world.away) throw new Error('the database is away');
      return found;
    },
    async touch(used) {
      world.touched += used.length;
    },
    hearsNews: () => settings.news,
    clock,
    log: { warn: () => undefined },
  });
  const read = async (token = minted.token): Promise<Identified | undefined> => {
    const identified = ring.read(token, request);
    if (identified instanceof Promise) await clock.advance(world.delayMs + 1);
    return identified;
  };
  const good = async (token?: string): Promise<boolean> => 'principal' in ((await read(token)) ?? {});
  return { clock, key, secret, token: minted.token, ring, world, read, good };
}

describe('API keys as one process knows them', () => {
  it('are read once, and then known without a question', async () => {
    const { ring, token, good, world } = createWorld({ news: true });
    expect(await good()).toBe(true);
    for (let i = 0; i < 100; i++) expect(ring.read(token, request)).not.toBeInstanceOf(Promise);
    expect(world.loads).toBe(1);
  });

  it('are refused with another secret, known or not', async () => {
    const { token, good } = createWorld({ news: true });
    const wrong = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`;
    expect(await good(wrong)).toBe(false);
    expect(await good()).toBe(true);
    expect(await good(wrong)).toBe(false);
  });

  it('that do not exist are not asked for again and again', async () => {
    const { good, world } = createWorld({ news: true });
    const unknown = `rjg_ffffffffffffffff_${'a'.repeat(43)}`;
    for (let i = 0; i < 20; i++) expect(await good(unknown)).toBe(false);
    expect(world.loads).toBe(1);
  });

  it('end at once with news of a revocation, also for who holds a principal already', async () => {
    const { clock, key, ring, read, good } = createWorld({ news: true });
    const held = (await read()) as Extract<Identified, { principal: unknown }>;
    expect(held.principal.check?.()).toBeUndefined();
    key.revokedAt = new Date(clock.now());
    ring.onNews(key.id);
    await clock.advance(5);
    expect(await good()).toBe(false);
    expect(held.principal.check?.()).toMatchObject({
      code: -32016,
      message: expect.stringContaining('revoked'),
    });
  });

  it('end within two seconds without news, and within sixteen when news got lost', async () => {
    for (const [news, bound] of [
      [false, 2_000],
      [true, 16_000],
    ] as const) {
      const { clock, key, good } = createWorld({ news });
      expect(await good()).toBe(true);
      key.revokedAt = new Date(clock.now());
      await clock.advance(bound);
      expect(await good()).toBe(false);
    }
  });

  it('stay ended when an older read overtakes a newer one', async () => {
    const { clock, key, ring, world, good } = createWorld({ news: true });
    expect(await good()).toBe(true);
    world.delayMs = 400;
    // Begins before the revocation, ends after the read that saw it.
    ring.onNews(key.id);
    await clock.advance(1);
    key.revokedAt = new Date(clock.now());
    world.delayMs = 1;
    ring.onNews(key.id);
    await clock.advance(2);
    expect(await good()).toBe(false);
    await clock.advance(500);
    expect(await good()).toBe(false);
  });

  it('are read again when they were revoked while they were being read for the first time', async () => {
    const { clock, key, ring, token, world, good } = createWorld({ news: true });
    world.delayMs = 50;
    const first = ring.read(token, request);
    await clock.advance(10);
    key.revokedAt = new Date(clock.now());
    ring.onNews(key.id);
    await clock.advance(50);
    await first;
    await clock.advance(700);
    expect(await good()).toBe(false);
  });

  it('go on while the database is away, but not for ever', async () => {
    const { clock, world, read, good } = createWorld({ news: false });
    expect(await good()).toBe(true);
    world.away = true;
    await clock.advance(50_000);
    expect(await good()).toBe(true);
    await clock.advance(20_000);
    expect(await read()).toMatchObject({ status: 503 });
    world.away = false;
    await clock.advance(2_000);
    expect(await good()).toBe(true);
  });

  it('tell when they were used, in batches', async () => {
    const { clock, good, world } = createWorld({ news: true });
    for (let i = 0; i < 50; i++) await good();
    await clock.advance(6_000);
    expect(world.touched).toBe(1);
  });
});
