import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import {
  ConfigError,
  commonKeys,
  csv,
  databaseUrl,
  defineConfig,
  describeConfig,
  loadConfig,
  port,
  secret,
  url,
} from './config.ts';

const definition = defineConfig({
  service: 'gateway',
  keys: { ...commonKeys, PORT: port(4000), DATABASE_URL: databaseUrl(), RPC_URLS: csv(url()).optional() },
});
const DATABASE_URL = 'postgres://app:hunter2@127.0.0.1:5432/rejuve';

const problemsOf = (
  env: NodeJS.ProcessEnv,
  options: { ownPrefixes?: string[] } = {},
): readonly { key: string; message: string }[] => {
  try {
    loadConfig(definition, { env, ...options });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('loadConfig', () => {
  it('applies defaults and parses types', () => {
    const config = loadConfig(definition, {
      env: { DATABASE_URL, PORT: '8080', LOG_PRETTY: 'yes', RPC_URLS: 'http://a:1/, http://b:2' },
    });
    expect(config).toMatchObject({
      PORT: 8080,
      HOST: '127.0.0.1',
      LOG_PRETTY: true,
      RPC_URLS: ['http://a:1', 'http://b:2'],
    });
  });

  it('lists everything that is wrong at once', () => {
    const problems = problemsOf({ PORT: '70000', LOG_LEVEL: 'loud', RPC_URLS: 'http://a,ftp://b' });
    expect(problems.map((p) => p.key)).toEqual(['LOG_LEVEL', 'PORT', 'DATABASE_URL', 'RPC_URLS']);
    expect(problems.find((p) => p.key === 'RPC_URLS')?.message).toMatch(/not ftp:.*item 1/);
  });

  it.each([
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DATABASE_URLS', 'DATABASE_URL'],
    ['LOG_LEVLE', 'LOG_LEVEL'],
    ['RPC_URL', 'RPC_URLS'],
  ])('refuses %s and names %s', (typo, right) => {
    const problems = problemsOf({ DATABASE_URL, [typo]: 'x' });
    expect(problems).toEqual([{ key: typo, message: `unknown setting; did you mean ${right}?` }]);
  });

  it('refuses unknown names under our own prefixes, and leaves the rest of the environment alone', () => {
    expect(
      problemsOf({
        DATABASE_URL,
        PATH: '/bin',
        HOSTNAME: 'x',
        SHELL: 'sh',
        NODE_OPTIONS: '',
        GATEWAY_SERVICE_HOST: '10.0.0.1',
      }),
    ).toEqual([]);
    expect(problemsOf({ DATABASE_URL, GATEWAY_COLOUR: 'red' }, { ownPrefixes: ['GATEWAY_'] })).toHaveLength(
      1,
    );
  });

  it('reads secrets from files, trims them, and redacts them in a dump', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'));
    writeFileSync(join(folder, 'url'), `${DATABASE_URL}\n`);
    const config = loadConfig(definition, { env: { DATABASE_URL_FILE: join(folder, 'url') } });
    expect(config.DATABASE_URL).toBe(DATABASE_URL);
    expect(JSON.stringify(describeConfig(definition, config))).not.toContain('hunter2');
    expect(problemsOf({ DATABASE_URL_FILE: join(folder, 'missing') })[0]?.message).toMatch(
      /cannot read .*ENOENT/,
    );
    expect(problemsOf({ DATABASE_URL, DATABASE_URL_FILE: join(folder, 'url') })[0]?.message).toMatch(
      /not both/,
    );
  });

  it('knows a secret after it was described or made optional', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'config-')), 'described');
    writeFileSync(file, 'from the file');
    const described = defineConfig({
      service: 'test',
      keys: {
        A_SECRET: secret(z.string()).describe('described'),
        B_SECRET: secret(z.string()).optional().describe('both'),
      },
    });
    const config = loadConfig(described, { env: { A_SECRET_FILE: file, B_SECRET_FILE: file } });
    expect(config).toEqual({ A_SECRET: 'from the file', B_SECRET: 'from the file' });
    expect(describeConfig(described, config)).toEqual({ A_SECRET: '[redacted]', B_SECRET: '[redacted]' });
  });

  it('never repeats a wrong secret value', () => {
    expect(JSON.stringify(problemsOf({ DATABASE_URL: 'mysql://root:hunter2@db' }))).not.toContain('hunter2');
  });

  it('takes a YAML file, lets the environment win, and refuses unknown keys in it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'config-'));
    const file = join(folder, 'gateway.yaml');
    writeFileSync(file, `PORT: 9000\nLOG_LEVEL: debug\nDATABASE_URL: ${DATABASE_URL}\n`);
    expect(loadConfig(definition, { env: { CONFIG_FILE: file, PORT: '9001' } })).toMatchObject({
      PORT: 9001,
      LOG_LEVEL: 'debug',
    });
    writeFileSync(file, `PROT: 1\nDATABASE_URL: ${DATABASE_URL}\n`);
    expect(problemsOf({ CONFIG_FILE: file })[0]?.message).toMatch(/did you mean PORT/);
    writeFileSync(file, 'PORT: [1\n');
    expect(problemsOf({ CONFIG_FILE: file })[0]?.key).toBe('CONFIG_FILE');
  });

  it('explains a missing required setting by its description', () => {
    const strict = defineConfig({ service: 'x', keys: { WANTED: z.string().describe('What it is for') } });
    expect(() => loadConfig(strict, { env: {} })).toThrow(/WANTED: is required — What it is for/);
  });
});
