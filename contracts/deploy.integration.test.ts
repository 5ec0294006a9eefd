import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadContractsManifest } from '../lib/contracts-manifest.ts';
import { freePort } from '../tools/stack/parts/free-port.ts';
import { startTestChain, type TestChain } from '../tools/testing/test-chain.ts';
import { type DeployOptions, deployContracts } from './deploy.ts';
import { devAccount } from './dev-accounts.ts';

const run = promisify(execFile);

describe('deployContracts', () => {
  let chain: TestChain;
  let dir: string;
  let options: DeployOptions & { manifestFile: string };

  beforeAll(async () => {
    chain = await startTestChain();
    dir = await mkdtemp(join(tmpdir(), 'deploy-'));
    options = {
      rpcUrl: chain.url,
      deployerKey: devAccount(0).privateKey,
      treasury: devAccount(1).address,
      sponsor: devAccount(2).address,
      lab: devAccount(3).privateKey,
      manifestFile: join(dir, 'contracts.json'),
    };
  });
  afterAll(async () => {
    await chain?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const deployerNonce = () => chain.rpc<string>('eth_getTransactionCount', [devAccount(0).address, 'latest']);

  it('deploys once; the second time changes nothing on the chain and answers the same', async () => {
    const first = await deployContracts(options);
    const nonce = await deployerNonce();
    expect(await deployContracts(options)).toEqual(first);
    expect(await deployerNonce()).toBe(nonce);
    expect(loadContractsManifest(options.manifestFile)).toEqual(first);
    expect(first.accounts.lab?.identity).toBe('1');
  });

  it('writes a changed number of confirmations without deploying', async () => {
    const nonce = await deployerNonce();
    expect((await deployContracts({ ...options, confirmations: 5 })).confirmations).toBe(5);
    expect(loadContractsManifest(options.manifestFile).confirmations).toBe(5);
    expect(await deployerNonce()).toBe(nonce);
  });

  it('deploys again when an account or our source has changed', async () => {
    const before = loadContractsManifest(options.manifestFile);
    const other = await deployContracts({ ...options, treasury: devAccount(8).address });
    expect(other.contracts.RejuveToken?.address).not.toBe(before.contracts.RejuveToken?.address);
    const stale = JSON.parse(await readFile(options.manifestFile, 'utf8'));
    stale.contracts.EAS.creationCodeHash = `0x${'11'.repeat(32)}`;
    await writeFile(options.manifestFile, JSON.stringify(stale));
    const renewed = await deployContracts({ ...options, treasury: devAccount(8).address });
    expect(renewed.contracts.EAS?.address).not.toBe(other.contracts.EAS?.address);
  });

  it('deploys again when the chain was reset', async () => {
    const before = await deployContracts(options);
    const fresh = await startTestChain();
    try {
      const after = await deployContracts({ ...options, rpcUrl: fresh.url });
      const { address } = after.contracts.DataManagement ?? { address: '0x' };
      expect(await fresh.rpc('eth_getCode', [address, 'latest'])).not.toBe('0x');
      expect(after.contracts.RejuveToken?.address).not.toBe(before.contracts.RejuveToken?.address);
    } finally {
      await fresh.stop();
    }
  });

  it('fits into at most three blocks where blocks come by the clock', async () => {
    const slow = await startTestChain({ blockTime: 1 });
    try {
      const { manifestFile: _file, ...withoutFile } = options;
      await deployContracts({ ...withoutFile, rpcUrl: slow.url });
      expect(Number(await slow.rpc<string>('eth_blockNumber'))).toBeLessThanOrEqual(4);
    } finally {
      await slow.stop();
    }
  });

  it('names the node that does not answer', async () => {
    const rpcUrl = `http://127.0.0.1:${await freePort()}`;
    await expect(deployContracts({ ...options, rpcUrl })).rejects.toThrow(
      new RegExp(`eth_chainId: no JSON-RPC answer from ${rpcUrl}.*ECONNREFUSED`),
    );
  });

  it('names the transaction that cannot be paid', async () => {
    const { manifestFile: _file, ...withoutFile } = options;
    const deployerKey = `0x${'42'.repeat(32)}`;
    await expect(deployContracts({ ...withoutFile, deployerKey })).rejects.toThrow(
      /^deploy RejuveToken: .*[Ii]nsufficient/,
    );
  });

  it('never repeats a private key that it does not understand', async () => {
    await expect(deployContracts({ ...options, deployerKey: '0xsecret' })).rejects.toThrow(
      'deployerKey must be a private key: 0x and 64 hex digits',
    );
    await expect(deployContracts({ ...options, sponsor: 'nobody' })).rejects.toThrow(
      /^sponsor must be an address/,
    );
  });
});

describe('node contracts/deploy.ts', () => {
  const script = join(import.meta.dirname, 'deploy.ts');
  const cli = (...args: string[]) =>
    run(process.execPath, [script, ...args]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );

  it('explains itself', async () => {
    expect(await cli('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('--rpc-url URL') });
    expect(await cli()).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage') });
  });

  it('refuses to use the well-known accounts on a chain that is not for development', async () => {
    const chain = await startTestChain({ chainId: 4242 });
    try {
      const result = await cli('--rpc-url', chain.url, '--out', '/dev/null');
      expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('DEPLOYER_KEY is required') });
    } finally {
      await chain.stop();
    }
  });
});
