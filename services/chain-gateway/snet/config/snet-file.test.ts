import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../../../lib/config.ts';
import { createServiceDirectory } from './service-directory.ts';
import { loadSnetFile, parseSnetFile } from './snet-file.ts';
import { snetJsonSchema } from './snet-schema.ts';

const folder = new URL('../../', import.meta.url);
const example = readFileSync(new URL('snet.example.yaml', folder), 'utf8');
const problems = (text: string, env = {}): string => {
  try {
    parseSnetFile(text, '/etc/snet.yaml', env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error('nothing was found wrong');
};

describe('SNET_FILE', () => {
  it('reads the example, with paths next to the file', () => {
    const file = parseSnetFile(example, '/etc/snet/snet.yaml', {});
    expect(file.signer).toMatchObject({ file: '/etc/snet/snet-signer.key' });
    const service = createServiceDirectory(file).find('rejuve', 'bayesian-network');
    expect(service.settings.protos).toEqual(['/etc/snet/bayesian-network.proto']);
    expect(service.price('rejuve.bn.Inference/Explain')).toBe(250n);
    expect(service.price('rejuve.bn.Inference/Other')).toBe(100n);
    expect(service.endpoints).toEqual(['https://daemon.example.org:7000']);
  });

  it('has a JSON schema that is up to date (snet.schema.json)', () => {
    expect(JSON.parse(readFileSync(new URL('snet.schema.json', folder), 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(snetJsonSchema())),
    );
  });

  it('takes values from the environment', () => {
    const text = example.replace('"https://daemon.example.org:7000"', `"\${DAEMON}"`);
    const file = parseSnetFile(text, '/etc/snet.yaml', { DAEMON: 'http://10.0.0.1:7000' });
    expect(createServiceDirectory(file).all()[0]?.endpoints).toEqual(['http://10.0.0.1:7000']);
    expect(problems(text)).toMatch(/environment variable DAEMON is not set/);
  });

  it.each([
    ['fundng:', /unknown setting fundng; did you mean funding\?/, 'funding:'],
    [
      'concurency:',
      /services\.bayesian-network: unknown setting concurency; did you mean concurrency\?/,
      'concurrency:',
    ],
    [
      'group: defalt_group\n        price:',
      /unknown group defalt_group; did you mean default_group\?/,
      'price:',
    ],
    ['payment: [prepayed]', /payment/, 'payment: [free, prepaid, escrow]'],
    ['id: c2hvcnQ=', /32 bytes in Base64/, 'id: cmVqdXZlIGRldmVsb3BtZW50IGdyb3VwIG51bWJlcjE='],
    ['lowWater: "9000000"', /lowWater must be below purchase/, 'lowWater: "1000000"'],
    ['maxDeposit: "1"', /must be at least funding\.deposit/, 'maxDeposit: "500000000"'],
    [
      'recipient: "0x14dC79964da2C08b23698B3D3cc7Ca32193d9956"',
      /checksum/,
      'recipient: "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955"',
    ],
  ])('says what is wrong with %s', (wrong, message, right) => {
    expect(example).toContain(right);
    expect(problems(example.replace(right, wrong))).toMatch(message);
  });

  it('says that a file cannot be read', () => {
    expect(() => loadSnetFile('/nowhere/snet.yaml', {})).toThrow(/cannot read \/nowhere\/snet.yaml: ENOENT/);
  });
});
