import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from '../../../../lib/log.ts';
import { createSeededRandom } from '../../../../lib/random.ts';
import {
  createSigningKeys,
  type KeyStore,
  PUBLISH_AHEAD_MS,
  type SigningKey,
} from '../../../../lib/signing-keys.ts';
import { createManualClock, type ManualClock } from '../../../../lib/time.ts';
import { type CallTokens, createCallTokens } from './token-jwt.ts';

const DAY = 86_400_000;
const log = createLogger({ service: 'test', level: 'fatal' });
const claims = { allotmentId: 'a', epoch: 1, subject: 's', clientId: 'c', scope: 'read', jkt: null };

function memoryStore(): KeyStore {
  let keys: SigningKey[] = [];
  return {
    async loadOrCreate(now, lacks, make) {
      keys = keys.filter((key) => key.retiredAt > now);
      if (lacks(keys)) keys = [...keys, await make(keys)];
      return keys;
    },
  };
}

jest.setTimeout(60_000);

describe('call tokens as JWTs', () => {
  let clock: ManualClock;
  let store: KeyStore;
  const replica = async (over: { issuer?: string; audience?: string } = {}) => {
    const keys = await createSigningKeys({ store, rotationMs: 7 * DAY, clock, log });
    const tokens: CallTokens = createCallTokens({
      keys,
      issuer: 'gateway',
      audience: 'gateway',
      clock,
      random: createSeededRandom(1, clock),
      ...over,
    });
    return { keys, tokens };
  };
  beforeAll(() => {
    clock = createManualClock();
    store = memoryStore();
  });

  it('says what was signed, for five minutes at most', async () => {
    const { tokens } = await replica();
    const token = await tokens.sign(claims, 3_600);
    expect(await tokens.verify(token)).toMatchObject({ ...claims, parsedScope: { access: 'read' } });
    expect(tokens.recall(token)).toBeDefined();
    clock.jump(306_000);
    expect(tokens.recall(token)).toBeUndefined();
    expect(await tokens.verify(token)).toBe('expired');
  });

  it('refuses another audience, another issuer, other bytes and no token at all', async () => {
    const [mine, foreign, stranger] = [
      await replica(),
      await replica({ audience: 'elsewhere' }),
      await replica({ issuer: 'mallory' }),
    ];
    expect(await mine.tokens.verify(await foreign.tokens.sign(claims, 60))).toBe('audience');
    expect(await mine.tokens.verify(await stranger.tokens.sign(claims, 60))).toBe('invalid');
    const token = await mine.tokens.sign(claims, 60);
    expect(await mine.tokens.verify(`${token.slice(0, -8)}AAAAAAAA`)).toBe('invalid');
    const [, payload, signature] = token.split('.');
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
    expect(await mine.tokens.verify(`${none}.${payload}.${signature}`)).toBe('invalid');
    expect(await mine.tokens.verify('x'.repeat(5_000))).toBe('invalid');
  });

  it('rotates keys without a moment in which a good token is refused', async () => {
    const [one, two] = [await replica(), await replica()];
    const signers = new Set<string>();
    for (let hour = 0; hour < 24 * 16; hour++) {
      // Replicas look at the keys at different times; whoever signs, everybody verifies.
      if (hour % 2 === 0) await one.keys.refresh();
      const token = await one.tokens.sign(claims, 300);
      signers.add(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid);
      expect(await two.tokens.verify(token)).toMatchObject(claims);
      expect(one.keys.publicJwks().length).toBeLessThanOrEqual(2);
      clock.jump(PUBLISH_AHEAD_MS);
    }
    expect(signers.size).toBeGreaterThanOrEqual(3);
  });
});
