import {
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { keepPreviousState, repairState, saveIntervalSeconds } from './chain-state.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-chain-'));
  file = join(dir, 'state.json');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const save = (text: string, secondsAgo: number): void => {
  writeFileSync(file, text);
  const at = new Date(Date.now() - secondsAgo * 1_000);
  utimesSync(file, at, at);
};

describe('the state of the chain', () => {
  it('is restored from the copy when it was torn', () => {
    save('{"block": 7}', 10);
    keepPreviousState(file);
    writeFileSync(file, '{"block": 8, "acc');
    expect(repairState(file)).toBe('restored');
    expect(readFileSync(file, 'utf8')).toBe('{"block": 7}');
  });

  it('is left alone when it is whole or not there', () => {
    expect(repairState(file)).toBeUndefined();
    save('{"block": 7}', 10);
    expect(repairState(file)).toBeUndefined();
  });

  it('is given up, but not thrown away, when there is no copy', () => {
    writeFileSync(file, '{"block": 8, "acc');
    expect(repairState(file)).toBe('lost');
    expect(existsSync(file)).toBe(false);
    expect(existsSync(`${file}.torn`)).toBe(true);
  });

  it('is not copied while it is being written', () => {
    keepPreviousState(file);
    save('{"block": 7', 0);
    keepPreviousState(file);
    expect(existsSync(`${file}.previous`)).toBe(false);
  });

  it('is saved less often when it is large', () => {
    expect(saveIntervalSeconds(file)).toBe(5);
    save('', 0);
    expect(saveIntervalSeconds(file)).toBe(5);
    truncateSync(file, 30 * 1024 * 1024);
    expect(saveIntervalSeconds(file)).toBe(12);
  });
});
