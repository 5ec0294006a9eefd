import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ClientWorld, startClientWorld } from '../testing/start-client-world.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');
const bin = (name: string): string => join(root, 'node_modules/.bin', name);
let world: ClientWorld;
let folder: string;

beforeAll(async () => {
  world = await startClientWorld();
  folder = await mkdtemp(join(tmpdir(), 'rejuve-foundry-'));
});
afterAll(async () => {
  await world?.stop();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function tool(name: 'cast' | 'forge', args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH ?? '', HOME: folder, FOUNDRY_DISABLE_NIGHTLY_WARNING: '1' };
  const { stdout } = await run(bin(name), [...args], {
    cwd: folder,
    env,
    timeout: 120_000,
    maxBuffer: 32 * 1024 * 1024,
  });
  return stdout.trim();
}
const cast = (...args: string[]): Promise<string> => tool('cast', [...args, '--rpc-url', world.gateway.url]);

const SCRIPT = `// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {RejuveToken} from "rejuve/RejuveToken.sol";

interface Vm {
    function startBroadcast(uint256 privateKey) external;
    function stopBroadcast() external;
    function addr(uint256 privateKey) external returns (address);
    function envUint(string calldata name) external returns (uint256);
}

contract Deploy {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public IS_SCRIPT = true;

    event Deployed(address token, uint256 balance);

    function run() external {
        uint256 key = vm.envUint("DEPLOYER_KEY");
        address admin = vm.addr(key);
        vm.startBroadcast(key);
        RejuveToken token = new RejuveToken(admin);
        token.mint(admin, 42_000_000);
        vm.stopBroadcast();
        require(token.balanceOf(admin) == 42_000_000, "not minted");
    }
}
`;

describe('cast', () => {
  it('reads blocks, balances, nonces and fees', async () => {
    await world.chain.mine(2);
    expect(Number(await cast('block-number'))).toBe(2);
    expect(await cast('chain-id')).toBe('31337');
    expect(BigInt(await cast('balance', world.account(0).address))).toBe(10_000n * 10n ** 18n);
    expect(await cast('block', 'latest', '--field', 'hash')).toMatch(/^0x[0-9a-f]{64}$/);
    expect(await cast('nonce', world.account(0).address)).toBe('0');
    expect(BigInt(await cast('gas-price'))).toBeGreaterThan(0n);
    expect(await cast('rpc', 'eth_getBlockByNumber', '0x1', 'false')).toContain('parentHash');
  });

  it('sends a transaction and reads its receipt', async () => {
    const receipt = JSON.parse(
      await cast(
        'send',
        world.account(9).address,
        '--value',
        '1ether',
        '--private-key',
        world.account(3).privateKey,
        '--json',
      ),
    ) as { status: string; transactionHash: string };
    expect(receipt.status).toBe('0x1');
    expect(await cast('receipt', receipt.transactionHash, 'status')).toMatch(/^(1|true)/);
    expect(BigInt(await cast('balance', world.account(9).address))).toBe(10_001n * 10n ** 18n);
  });
});

describe('forge script', () => {
  it('compiles, simulates and broadcasts a deployment of our token', async () => {
    const solc = join(folder, 'solc');
    await writeFile(
      solc,
      `#!/bin/sh\nexec "${process.execPath}" --no-warnings "${join(import.meta.dirname, '..', 'testing', 'solc-for-tools.ts')}" "$@"\n`,
    );
    await chmod(solc, 0o755);
    await mkdir(join(folder, 'script'));
    await writeFile(join(folder, 'script/Deploy.s.sol'), SCRIPT);
    await symlink(join(root, 'contracts/solidity'), join(folder, 'rejuve'));
    await symlink(join(root, 'node_modules/@openzeppelin'), join(folder, 'openzeppelin'));
    await writeFile(
      join(folder, 'foundry.toml'),
      [
        '[profile.default]',
        'src = "script"',
        'script = "script"',
        'libs = []',
        'offline = true',
        `solc = "${solc}"`,
        'evm_version = "cancun"',
        'remappings = ["rejuve/=rejuve/", "@openzeppelin/=openzeppelin/"]',
        `allow_paths = ["${root}"]`,
      ].join('\n'),
    );
    const env = { PATH: process.env.PATH ?? '', HOME: folder, DEPLOYER_KEY: world.account(4).privateKey };
    const { stdout } = await run(
      bin('forge'),
      [
        'script',
        'script/Deploy.s.sol:Deploy',
        '--rpc-url',
        world.gateway.url,
        '--broadcast',
        '--slow',
        '--non-interactive',
        '--json',
      ],
      { cwd: folder, env, timeout: 120_000, maxBuffer: 32 * 1024 * 1024 },
    ).catch((error: Error & { stdout?: string; stderr?: string }) => {
      throw new Error(`forge script failed: ${error.stderr ?? error.message}\n${error.stdout ?? ''}`);
    });
    expect(stdout).toContain('"success":true');
    const token = /"contract_address":"(0x[0-9a-fA-F]{40})"|"contractAddress":"(0x[0-9a-fA-F]{40})"/.exec(
      stdout,
    );
    const logs = await world.chain.rpc<{ address: string }[]>('eth_getLogs', [
      { fromBlock: '0x0', topics: ['0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'] },
    ]);
    const address = token?.[1] ?? token?.[2] ?? logs[0]?.address ?? '';
    expect(await cast('call', address, 'balanceOf(address)(uint256)', world.account(4).address)).toMatch(
      /^42000000\b/,
    );
  }, 180_000);
});
