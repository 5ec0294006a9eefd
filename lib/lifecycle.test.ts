import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { EXIT_CONFIG } from './lifecycle.ts';

const folder = mkdtempSync(join(tmpdir(), 'lifecycle-'));
const lib = import.meta.dirname;

/** Runs a small process; `act` is called with it when it has printed `ready`. */
async function run(body: string, act: (child: ReturnType<typeof spawn>) => void = () => undefined) {
  const file = join(
    folder,
    `p-${Math.abs(body.split('').reduce((h, c) => (h * 31 + c.charCodeAt(0)) | 0, 7))}.ts`,
  );
  writeFileSync(
    file,
    `import { runProcess } from '${lib}/lifecycle.ts';
     import { createLogger } from '${lib}/log.ts';
     import { ConfigError } from '${lib}/config.ts';
     const log = createLogger({ service: 'test' });
     runProcess('test', async (scope) => { ${body}
       setInterval(() => undefined, 1000); console.log('ready'); return { log, drainTimeoutMs: 200 }; });`,
  );
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let told = false;
  const onData = (chunk: Buffer): void => {
    output += chunk.toString();
    if (!told && output.includes('ready')) {
      told = true;
      act(child);
    }
  };
  child.stdout.on('data', onData);
  child.stderr.on('data', onData);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, output };
}

describe('runProcess', () => {
  it('closes in reverse order on SIGTERM and leaves with 0', async () => {
    const { code, output } = await run(
      `scope.defer('first', () => console.log('close first')); scope.defer('second', () => console.log('close second'));`,
      (child) => child.kill('SIGTERM'),
    );
    expect(code).toBe(0);
    expect(output.indexOf('close second')).toBeLessThan(output.indexOf('close first'));
    expect(output.indexOf('close second')).toBeGreaterThan(0);
  });

  it('prints a configuration error as sentences, without a stack, and leaves with EX_CONFIG', async () => {
    const { code, output } = await run(
      `throw new ConfigError('gateway', [{ key: 'PORT', message: 'expected a whole number' }]);`,
    );
    expect(code).toBe(EXIT_CONFIG);
    expect(output.trim()).toBe(
      'gateway cannot start, one setting is wrong:\n  PORT: expected a whole number',
    );
  });

  it('leaves with 1 after an unhandled error, closing what it can', async () => {
    const { code, output } = await run(
      `scope.defer('part', () => console.log('closed part')); setTimeout(() => { throw new Error('boom'); }, 50);`,
    );
    expect(code).toBe(1);
    expect(output).toContain('closed part');
  });

  it('goes at once on the second signal, even when closing hangs', async () => {
    const { code } = await run(
      `scope.defer('hang', () => { console.log('closing'); return new Promise(() => undefined); });`,
      (child) => {
        child.stdout?.on('data', (chunk: Buffer) => {
          if (chunk.toString().includes('closing')) child.kill('SIGTERM');
        });
        child.kill('SIGTERM');
      },
    );
    expect(code).toBe(1);
  });
});
