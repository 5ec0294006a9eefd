import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { tellingLines } from './telling-lines.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-lines-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const linesOf = (text: string, count = 10): string[] => {
  writeFileSync(join(dir, 'log'), text);
  return tellingLines(join(dir, 'log'), count);
};

describe('tellingLines', () => {
  it('keeps the message of an error and leaves its stack to the file', () => {
    const text = `file:///x/worker.ts:12
SyntaxError: unexpected token
    at processTypeScriptCode (node:internal/modules/typescript:146:42)
    at async #run (file:///x/y.ts:1:2)
    at new Promise (<anonymous>)
    at afterLoad (node:internal/modules/esm/loader:506:29) {
  code: 'ERR_X'
}
`;
    expect(linesOf(text)).toEqual([
      'file:///x/worker.ts:12',
      'SyntaxError: unexpected token',
      "  code: 'ERR_X'",
      '}',
    ]);
  });

  it('reads JSON logs aloud', () => {
    const log = [
      { level: 30, msg: 'listening' },
      { level: 60, msg: 'fatal error', err: { message: 'connect ECONNREFUSED' } },
      { level: 'warn', msg: 'slow: disk', err: { message: 'disk' } },
    ];
    expect(linesOf(`${log.map((entry) => JSON.stringify(entry)).join('\n')}\n{"torn": `)).toEqual([
      'INFO listening',
      'FATAL fatal error: connect ECONNREFUSED',
      'WARN slow: disk',
      '{"torn": ',
    ]);
  });

  it('is short, and empty for a log that is not there', () => {
    expect(linesOf('1\n2\n\n3\n', 2)).toEqual(['2', '3']);
    expect(tellingLines(join(dir, 'none'), 3)).toEqual([]);
  });
});
