import { mkdtempSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { createFlags, type FlagDefinition, type Flags } from './flags.ts';
import { createLogger } from './log.ts';
import { createManualClock } from './time.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const definitions: FlagDefinition[] = [
  { key: 'hedging', type: 'boolean', fallback: true, description: 'Sends twice.' },
  { key: 'mode', type: 'string', fallback: 'known', description: 'Which.' },
];
const flag = (value: boolean, more: object = {}) => ({
  state: 'ENABLED',
  variants: { on: true, off: false },
  defaultVariant: value ? 'on' : 'off',
  ...more,
});

let flags: Flags | undefined;
afterEach(() => flags?.stop());

/** A file as Kubernetes mounts it: a link to a folder that is swapped in one step. */
function mounted(content: unknown) {
  const folder = mkdtempSync(join(tmpdir(), 'flags-'));
  let version = 0;
  const swap = (text: string): void => {
    const name = join(folder, `v${++version}.json`);
    writeFileSync(name, text);
    symlinkSync(name, join(folder, 'next'));
    renameSync(join(folder, 'next'), join(folder, 'flags.json'));
  };
  swap(JSON.stringify(content));
  return { file: join(folder, 'flags.json'), swap };
}

function open(file: string | undefined) {
  const clock = createManualClock();
  flags = createFlags({ file, definitions, clock, log, domain: 'test' });
  return { flags, clock };
}

describe('flags', () => {
  it('have their fallbacks without a file', async () => {
    const { flags } = open(undefined);
    expect(flags.boolean('hedging', true)).toBe(true);
    expect(await flags.client.getStringValue('mode', 'known')).toBe('known');
    expect(flags.list().map(({ key, value, reason }) => [key, value, reason])).toEqual([
      ['hedging', true, 'DEFAULT'],
      ['mode', 'known', 'DEFAULT'],
    ]);
  });

  it('follow a swapped ConfigMap within seconds, by OpenFeature and without', async () => {
    const { file, swap } = mounted({ flags: { hedging: flag(true) } });
    const { flags, clock } = open(file);
    let changes = 0;
    flags.onChange(() => changes++);
    expect(await flags.client.getBooleanValue('hedging', false)).toBe(true);
    swap(JSON.stringify({ flags: { hedging: flag(false) } }));
    expect(flags.boolean('hedging', true)).toBe(true);
    await clock.advance(2_000);
    expect(flags.boolean('hedging', true)).toBe(false);
    expect(await flags.client.getBooleanValue('hedging', true)).toBe(false);
    expect(changes).toBe(1);
  });

  it.each([
    ['no JSON', '{', 'Flow'],
    ['another shape', '[]', 'expected { "flags"'],
    [
      'a variant that is none',
      JSON.stringify({ flags: { hedging: { ...flag(true), defaultVariant: 'onn' } } }),
      'defaultVariant "onn" is none of on, off',
    ],
    [
      'a wrong state',
      JSON.stringify({ flags: { hedging: { ...flag(true), state: 'enabled' } } }),
      'state must be ENABLED or DISABLED',
    ],
    [
      'mixed variants',
      JSON.stringify({ flags: { hedging: { ...flag(true), variants: { on: true, off: 'no' } } } }),
      'must all be of one type',
    ],
  ])('keep what is in force when the file has %s, and say so', async (_what, text, sentence) => {
    const { file, swap } = mounted({ flags: { hedging: flag(false) } });
    const { flags, clock } = open(file);
    swap(text);
    await clock.advance(2_000);
    expect(flags.boolean('hedging', true)).toBe(false);
    expect(flags.problems()[0]).toContain(sentence);
    swap(JSON.stringify({ flags: { hedging: flag(true) } }));
    await clock.advance(2_000);
    expect([flags.boolean('hedging', false), flags.problems()]).toEqual([true, []]);
  });

  it('answer by who asks, and fall back when disabled, unknown or of another type', () => {
    const targeting = { if: [{ '==': [{ var: 'kind' }, 'api-key'] }, 'off'] };
    const { file } = mounted({
      flags: {
        hedging: flag(true, { targeting }),
        mode: flag(true),
        gone: flag(true),
        off: flag(false, { state: 'DISABLED' }),
      },
    });
    const { flags } = open(file);
    expect(flags.boolean('hedging', true, { kind: 'api-key' })).toBe(false);
    expect(flags.boolean('hedging', false, { kind: 'user' })).toBe(true);
    expect(flags.string('mode', 'known')).toBe('known');
    expect(flags.boolean('never-heard', true)).toBe(true);
    expect(flags.boolean('off', true)).toBe(true);
    expect(flags.list().map(({ key, known, targeted }) => [key, known, targeted])).toEqual([
      ['gone', false, false],
      ['hedging', true, true],
      ['mode', true, false],
      ['off', false, false],
    ]);
  });

  it('are never missing: a file that does not exist yet leaves the fallbacks, and is read when it comes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'flags-'));
    const file = join(folder, 'flags.yaml');
    const { flags, clock } = open(file);
    expect(flags.boolean('hedging', true)).toBe(true);
    expect(flags.problems()[0]).toContain('ENOENT');
    writeFileSync(
      file,
      'flags:\n  hedging: { state: ENABLED, variants: { on: true, off: false }, defaultVariant: "off" }\n',
    );
    await clock.advance(2_000);
    expect(flags.boolean('hedging', true)).toBe(false);
  });
});
