// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in the file are written like this
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { formatProblem, parseProvidersFile } from './providers-file.ts';
import { providersJsonSchema } from './providers-schema.ts';

const secrets = {
  env: (name: string) => ({ KEY: 's3cret' })[name],
  file: (path: string) => {
    if (path === '/run/key') return 'from-file\n';
    throw Object.assign(new Error('no'), { code: 'ENOENT' });
  },
};
const problemsOf = (text: string): string[] => {
  const parsed = parseProvidersFile(text, secrets);
  return parsed.ok ? [] : parsed.problems.map((problem) => formatProblem('p.yaml', problem));
};

describe('providers file', () => {
  it('fills in references and defaults', () => {
    const parsed = parseProvidersFile(
      'chainId: 1\nproviders:\n  - id: a\n    url: https://x.test/${KEY}\n    headers: { authorization: "Bearer ${file:/run/key}", x-dollar: "$${KEY}" }\n',
      secrets,
    );
    expect(parsed).toMatchObject({
      ok: true,
      providers: [
        {
          id: 'a',
          url: 'https://x.test/s3cret',
          headers: { authorization: 'Bearer from-file', 'x-dollar': '${KEY}' },
          tier: 1,
          maxJoin: 20,
        },
      ],
    });
  });

  it.each([
    [
      'a misspelt setting',
      'chainId: 1\nproviders:\n  - id: a\n    url: http://x\n    teir: 2\n',
      'p.yaml:5:5: providers[0]: unknown setting teir; did you mean tier?',
    ],
    [
      'a missing variable',
      'chainId: 1\nproviders:\n  - id: a\n    url: http://x/${NOPE}\n',
      'p.yaml:4:10: environment variable NOPE is not set',
    ],
    [
      'a missing file',
      'chainId: 1\nproviders:\n  - id: a\n    url: http://x/${file:/nope}\n',
      'p.yaml:4:10: cannot read /nope: ENOENT',
    ],
    [
      'a wrong scheme',
      'chainId: 1\nproviders:\n  - id: a\n    url: ftp://x\n',
      'p.yaml:4:10: providers[0].url: expected an http:// or https:// URL',
    ],
    [
      'the same id twice',
      'chainId: 1\nproviders:\n  - { id: a, url: "http://x" }\n  - { id: a, url: "http://y" }\n',
      'p.yaml:4:11: providers[1].id: provider 1 has the same id',
    ],
    [
      'the same node twice',
      'chainId: 1\nproviders:\n  - { id: a, url: "http://x" }\n  - { id: b, url: "http://x" }\n',
      'p.yaml:4:19: providers[1].url: provider 1 has the same URL; one node must not count as two witnesses',
    ],
  ])('says where %s is', (_name, text, expected) => {
    expect(problemsOf(text)).toEqual([expected]);
  });

  it('finds everything that is wrong at once, in the order of the file', () => {
    const found = problemsOf(
      'chainId: x\nproviders:\n  - id: A\n    url: http://x\n    limits: { callsPerSecond: -1 }\n',
    );
    expect(found.map((line) => line.split(': ')[1])).toEqual([
      'chainId',
      'providers[0].id',
      'providers[0].limits.callsPerSecond',
    ]);
  });

  it('points at broken YAML', () => {
    expect(problemsOf('chainId: [1\nproviders: x')[0]).toMatch(/^p\.yaml:2:1: /);
  });

  it('accepts the example, and the schema for editors is up to date', () => {
    const folder = new URL('../', import.meta.url);
    expect(problemsOf(readFileSync(new URL('providers.example.yaml', folder), 'utf8'))).toEqual([]);
    expect(JSON.parse(readFileSync(new URL('providers.schema.json', folder), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(providersJsonSchema())),
    );
  });
});
