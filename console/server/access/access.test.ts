import { describe, expect, it } from '@jest/globals';
import { createManualClock } from '../../../lib/time.ts';
import { createAttempts } from './attempts.ts';
import { fingerprintOf, hashPassword, operatorsSchema, verifyPassword } from './operators.ts';

describe('operators', () => {
  it('knows a password by its hash and nothing else by it', async () => {
    const hash = hashPassword('correct horse');
    expect(hash).not.toContain('correct');
    expect(await verifyPassword(hash, 'correct horse')).toBe(true);
    expect(await verifyPassword(hash, 'correct horsf')).toBe(false);
    expect(await verifyPassword('scrypt$1$2$3$short$short', 'correct horse')).toBe(false);
    expect(await verifyPassword('plain text', 'plain text')).toBe(false);
  });

  it('reads lines and commas, and says what is wrong with each', () => {
    const hash = hashPassword('x');
    const good = operatorsSchema.parse(`# the team\nolga:operator:${hash}\n\nviktor:viewer:${hash},`);
    expect([...good.keys()]).toEqual(['olga', 'viktor']);
    const bad = operatorsSchema.safeParse(
      `Olga:operator:${hash}\neva:admin:${hash}\nadam:viewer:password\nada:viewer:${hash},ada:viewer:${hash}`,
    );
    const said = bad.error?.issues.map(({ message }) => message) ?? [];
    expect(said).toEqual([
      expect.stringContaining('"Olga" is no name'),
      expect.stringContaining('viewer, operator'),
      expect.stringContaining('adam: no hash'),
      expect.stringContaining('named twice'),
    ]);
    expect(said.join()).not.toContain('password');
    expect(operatorsSchema.safeParse('').error?.issues[0]?.message).toContain('operator-cli.ts');
  });

  it('ends sessions when the role or the password changes', () => {
    const one = { name: 'olga', role: 'viewer', hash: 'a' } as const;
    expect(fingerprintOf({ ...one })).toBe(fingerprintOf(one));
    expect(fingerprintOf({ ...one, role: 'operator' })).not.toBe(fingerprintOf(one));
    expect(fingerprintOf({ ...one, hash: 'b' })).not.toBe(fingerprintOf(one));
  });
});

describe('attempts', () => {
  it('allows a number in a window, and says how long to wait', async () => {
    const clock = createManualClock();
    const attempts = createAttempts({ clock, limit: 2, windowMs: 10_000 });
    expect([attempts.take('a'), attempts.take('a')]).toEqual([0, 0]);
    await clock.advance(4_000);
    expect(attempts.take('a')).toBe(6);
    expect(attempts.take('b')).toBe(0);
    await clock.advance(6_000);
    expect(attempts.take('a')).toBe(0);
  });
});
