import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ClientWorld, startClientWorld } from '../testing/start-client-world.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');
let world: ClientWorld;
let folder: string;

beforeAll(async () => {
  world = await startClientWorld();
  folder = await mkdtemp(join(tmpdir(), 'rejuve-hardhat-'));
});
afterAll(async () => {
  await world?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** A project as anyone would write it; only the compiler comes from npm instead of a download. */
const CONFIG = `
const { subtask } = require('hardhat/config');
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require('hardhat/builtin-tasks/task-names');
const solc = require('solc/package.json');

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  compilerPath: require.resolve('solc/soljson.js'),
  isSolcJs: true,
  version: solc.version,
  longVersion: solc.version,
}));

module.exports = {
  solidity: { version: solc.version, settings: { evmVersion: 'cancun', optimizer: { enabled: true, runs: 200 } } },
  defaultNetwork: 'gateway',
  networks: { gateway: { url: process.env.GATEWAY, accounts: process.env.KEYS.split(',') } },
  mocha: { timeout: 60000 },
};
`;

const TEST = `
const { strict: assert } = require('node:assert');
const { network, artifacts } = require('hardhat');
const { BrowserProvider, ContractFactory } = require('ethers');

describe('RejuveToken', () => {
  it('is deployed, minted, transferred and refuses what it must', async () => {
    const provider = new BrowserProvider(network.provider);
    const [admin, other] = await provider.send('eth_accounts', []);
    const { abi, bytecode } = await artifacts.readArtifact('RejuveToken');
    const token = await (await new ContractFactory(abi, bytecode, await provider.getSigner(admin)).deploy(admin)).waitForDeployment();
    await (await token.mint(admin, 1000n)).wait();
    await (await token.transfer(other, 400n)).wait();
    assert.equal(await token.balanceOf(admin), 600n);
    assert.equal(await token.balanceOf(other), 400n);
    const stranger = token.connect(await provider.getSigner(other));
    await assert.rejects(stranger.mint(other, 1n), /AccessControlUnauthorizedAccount|reverted/);
    const transfers = await token.queryFilter('Transfer', 0);
    assert.equal(transfers.length, 2);
  });
});
`;

describe('Hardhat', () => {
  it('compiles, deploys and tests our token', async () => {
    await mkdir(join(folder, 'contracts'));
    await mkdir(join(folder, 'test'));
    await cp(join(root, 'contracts/solidity/RejuveToken.sol'), join(folder, 'contracts/RejuveToken.sol'));
    await writeFile(join(folder, 'hardhat.config.cjs'), CONFIG);
    await writeFile(join(folder, 'test/token.cjs'), TEST);
    await writeFile(join(folder, 'package.json'), '{ "name": "client", "private": true }');
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const env = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      CI: 'true',
      HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true',
      GATEWAY: world.gateway.url,
      KEYS: [0, 1].map((index) => world.account(index).privateKey).join(','),
    };
    const { stdout } = await run(
      process.execPath,
      [
        '--no-warnings',
        join(root, 'node_modules/hardhat/internal/cli/bootstrap.js'),
        '--config',
        'hardhat.config.cjs',
        'test',
        'test/token.cjs',
      ],
      { cwd: folder, env, timeout: 150_000, maxBuffer: 16 * 1024 * 1024 },
    ).catch((error: Error & { stdout?: string; stderr?: string }) => {
      throw new Error(`hardhat failed: ${error.message}\n${error.stdout ?? ''}\n${error.stderr ?? ''}`);
    });
    expect(stdout).toContain('1 passing');
  }, 180_000);
});
