import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { computeAddress, getAddress, isAddress, isHexString, Wallet } from 'ethers';
import { type ContractsManifest, loadContractsManifest } from '../lib/contracts-manifest.ts';
import { CATALOG, type ContractName } from './catalog.ts';
import { type ChainClient, createChainClient, type Receipt } from './chain-client.ts';
import { DeployError } from './deploy-error.ts';
import { creationCodeHash, HEALTH_DATA_SCHEMA, interfaceOf, planDeployment } from './deployment-plan.ts';
import { DEV_CHAIN_ID, devAccount } from './dev-accounts.ts';
import type { Hex } from './hex.ts';
import { sendTransactions } from './send-transactions.ts';
import { DATA_MANAGEMENT_DOMAIN, IDENTITY_DOMAIN } from './typed-data.ts';

export interface DeployOptions {
  readonly rpcUrl: string;
  /** Private key that pays for everything and becomes admin of every contract. */
  readonly deployerKey: string;
  /** Address (or private key) that receives the RJV supply and may mint. */
  readonly treasury: string;
  /** Address (or private key) that may create identities, submit data, and sign products. */
  readonly sponsor: string;
  /** Private key of the requester; it signs the consent to its own identity. */
  readonly lab: string;
  /** Blocks on top of a block until the platform calls it confirmed. 2 when absent. */
  readonly confirmations?: number;
  /** Where the manifest is kept. What it names is reused while the chain still has it; absent: always deploy. */
  readonly manifestFile?: string;
  /** Called with one line for a person per thing done. */
  readonly onProgress?: (line: string) => void;
}

const DEFAULT_CONFIRMATIONS = 2;

/**
 * Put every contract of the platform on a chain and give the roles out, or find that it is there already.
 * Doing it twice changes nothing: what the manifest names is kept as long as the chain has code there, our sources
 * are the same and the accounts are the same. Throws {@link DeployError}.
 */
export async function deployContracts(options: DeployOptions): Promise<ContractsManifest> {
  const client = createChainClient(options.rpcUrl);
  const chainId = Number(await client.request<Hex>('eth_chainId'));
  const accounts = readAccounts(options);
  const confirmations = options.confirmations ?? DEFAULT_CONFIRMATIONS;
  const say = options.onProgress ?? (() => undefined);

  const known = await findReusable(client, chainId, accounts, options.manifestFile);
  if (known) {
    say(`contracts are on chain ${chainId} already`);
    const manifest = { ...known, confirmations };
    if (known.confirmations !== confirmations) await writeManifest(options.manifestFile, manifest);
    return manifest;
  }

  const deployer = new Wallet(options.deployerKey);
  const nonce = Number(await client.request<Hex>('eth_getTransactionCount', [deployer.address, 'pending']));
  const plan = await planDeployment({ chainId, deployer: deployer.address as Hex, nonce, ...accounts });
  const receipts = await sendTransactions({
    client,
    from: deployer,
    chainId,
    transactions: plan.transactions,
    onDone: say,
  });

  const labIdentity = await client.request<Hex>('eth_call', [
    {
      to: plan.addresses.IdentityToken,
      data: interfaceOf('IdentityToken').encodeFunctionData('getOwnerIdentity', [accounts.lab]),
    },
    'latest',
  ]);
  const manifest: ContractsManifest = {
    chainId,
    confirmations,
    contracts: Object.fromEntries(
      CATALOG.map(({ name, file }) => [name, entryOf(name, file, plan.addresses[name], receipts)]),
    ),
    schemas: { healthData: { uid: plan.schemaUid, definition: HEALTH_DATA_SCHEMA } },
    accounts: {
      deployer: { address: deployer.address as Hex },
      treasury: { address: accounts.treasury },
      sponsor: { address: accounts.sponsor },
      lab: { address: accounts.lab, identity: BigInt(labIdentity).toString() },
    },
  };
  await writeManifest(options.manifestFile, manifest);
  return manifest;
}

const EIP712_DOMAINS: Partial<Record<ContractName, { name: string; version: string }>> = {
  IdentityToken: IDENTITY_DOMAIN,
  DataManagement: DATA_MANAGEMENT_DOMAIN,
};

function entryOf(name: ContractName, abi: string, address: Hex, receipts: ReadonlyMap<string, Receipt>) {
  const eip712 = EIP712_DOMAINS[name];
  return {
    address,
    deployedBlock: receipts.get(name)?.blockNumber ?? 0,
    abi,
    creationCodeHash: creationCodeHash(name),
    ...(eip712 && { eip712 }),
  };
}

interface Accounts {
  readonly treasury: Hex;
  readonly sponsor: Hex;
  readonly lab: Hex;
  readonly labKey: Hex;
}

function readAccounts(options: DeployOptions): Accounts {
  requireKey('deployerKey', options.deployerKey);
  requireKey('lab', options.lab);
  return {
    treasury: addressOf('treasury', options.treasury),
    sponsor: addressOf('sponsor', options.sponsor),
    lab: computeAddress(options.lab) as Hex,
    labKey: options.lab as Hex,
  };
}

function requireKey(name: string, value: string): void {
  // The value itself may be a mistyped secret: it is never repeated.
  if (!isHexString(value, 32)) throw new DeployError(`${name} must be a private key: 0x and 64 hex digits`);
}

function addressOf(name: string, value: string): Hex {
  if (isHexString(value, 32)) return computeAddress(value) as Hex;
  if (isAddress(value)) return getAddress(value) as Hex;
  throw new DeployError(`${name} must be an address (0x and 40 hex digits) or a private key (0x and 64)`);
}

/** The manifest in the file, if everything it names is what would be deployed now. */
async function findReusable(
  client: ChainClient,
  chainId: number,
  accounts: Accounts,
  file: string | undefined,
): Promise<ContractsManifest | undefined> {
  if (!file || !existsSync(file)) return undefined;
  const manifest = loadContractsManifest(file);
  if (manifest.chainId !== chainId) return undefined;
  for (const alias of ['treasury', 'sponsor', 'lab'] as const) {
    if (manifest.accounts[alias]?.address !== accounts[alias]) return undefined;
  }
  for (const { name } of CATALOG) {
    const entry = manifest.contracts[name];
    if (entry?.creationCodeHash !== creationCodeHash(name)) return undefined;
    if ((await client.request<Hex>('eth_getCode', [entry.address, 'latest'])) === '0x') return undefined;
  }
  return manifest;
}

/** Replace the file in one step, so that a reader never meets half of it. */
async function writeManifest(file: string | undefined, manifest: ContractsManifest): Promise<void> {
  if (!file) return;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

const USAGE = `Usage: node contracts/deploy.ts --rpc-url URL --out FILE [options]

Deploys the platform's contracts, or keeps what FILE names if the chain still has it, and writes FILE (CONTRACTS_FILE
of the services).
  --rpc-url URL        JSON-RPC of the chain
  --out FILE           the contracts manifest
  --treasury ADDRESS   receives the RJV supply, may mint
  --sponsor ADDRESS    may create identities and submit data
  --confirmations N    blocks until the platform calls a block confirmed (${DEFAULT_CONFIRMATIONS})
  --help               this text
Environment: DEPLOYER_KEY (pays, becomes admin), LAB_KEY (requester with an identity of its own).
On a development chain (id ${DEV_CHAIN_ID}) all accounts default to the node's well-known ones.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      'rpc-url': { type: 'string' },
      out: { type: 'string' },
      treasury: { type: 'string' },
      sponsor: { type: 'string' },
      confirmations: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const rpcUrl = values['rpc-url'];
  if (!rpcUrl || !values.out) {
    console.error(USAGE);
    return 2;
  }
  try {
    const isDev = Number(await createChainClient(rpcUrl).request<Hex>('eth_chainId')) === DEV_CHAIN_ID;
    const pick = (
      name: string,
      value: string | undefined,
      devIndex: number,
      form: 'address' | 'privateKey',
    ) => {
      if (value) return value;
      if (isDev) return devAccount(devIndex)[form];
      throw new DeployError(`${name} is required on a chain other than ${DEV_CHAIN_ID}`);
    };
    const manifest = await deployContracts({
      rpcUrl,
      manifestFile: values.out,
      deployerKey: pick('DEPLOYER_KEY', process.env.DEPLOYER_KEY, 0, 'privateKey'),
      treasury: pick('--treasury', values.treasury, 1, 'address'),
      sponsor: pick('--sponsor', values.sponsor, 2, 'address'),
      lab: pick('LAB_KEY', process.env.LAB_KEY, 3, 'privateKey'),
      confirmations: readConfirmations(values.confirmations),
      onProgress: (line) => console.log(line),
    });
    for (const [name, { address }] of Object.entries(manifest.contracts))
      console.log(`${name.padEnd(16)} ${address}`);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

function readConfirmations(text: string | undefined): number {
  const value = Number(text ?? DEFAULT_CONFIRMATIONS);
  if (!Number.isInteger(value) || value < 1)
    throw new DeployError('--confirmations must be a whole number from 1');
  return value;
}

if (import.meta.main) process.exitCode = await main();
