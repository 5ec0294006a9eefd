import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  ContractsManifestError,
  loadContractsManifest,
  parseContractsManifest,
  requireContract,
} from './contracts-manifest.ts';

const token = {
  address: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
  deployedBlock: 1,
  abi: 'rejuve-token',
};
const manifest = { chainId: 31337, confirmations: 2, contracts: { RejuveToken: token } };

describe('contracts manifest', () => {
  it('reads a file and answers checksummed addresses', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'manifest-')), 'contracts.json');
    writeFileSync(file, JSON.stringify(manifest));
    const loaded = loadContractsManifest(file);
    expect(requireContract(loaded, 'RejuveToken').address).toBe('0x5FbDB2315678afecb367f032d93F642f64180aa3');
    expect(loaded.schemas).toEqual({});
  });

  it('names the file that is missing', () => {
    expect(() => loadContractsManifest('/nowhere/contracts.json')).toThrow(
      /CONTRACTS_FILE \/nowhere\/contracts.json: does not exist/,
    );
  });

  it('says that text is not JSON', () => {
    expect(() => parseContractsManifest('{', 'contracts.json')).toThrow(/contracts.json is not JSON/);
  });

  it.each([
    ['address', { ...token, address: '0x12' }, /expected an address/],
    ['block', { ...token, deployedBlock: -1 }, /deployedBlock/],
    ['abi', { ...token, abi: '../secret' }, /abi/],
  ])('refuses a wrong %s and says where', (_name, entry, message) => {
    const text = JSON.stringify({ ...manifest, contracts: { RejuveToken: entry } });
    expect(() => parseContractsManifest(text, 'x')).toThrow(ContractsManifestError);
    expect(() => parseContractsManifest(text, 'x')).toThrow(message);
  });

  it('lists what it has when a contract is not there', () => {
    const loaded = parseContractsManifest(JSON.stringify(manifest), 'x');
    expect(() => requireContract(loaded, 'EAS')).toThrow('no EAS; it has: RejuveToken');
  });
});
