import {
  type Account,
  BaseError,
  ContractFunctionRevertedError,
  createTestClient,
  defineChain,
  type Hex,
  http,
  publicActions,
  walletActions,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { type ContractsManifest, requireContract } from '../../lib/contracts-manifest.ts';
import { startTestChain } from '../../tools/testing/test-chain.ts';
import { deployTestContracts, testAccounts } from '../../tools/testing/test-contracts.ts';
import { dataManagementAbi } from '../abi/data-management.ts';
import { easAbi } from '../abi/eas.ts';
import { identityTokenAbi } from '../abi/identity-token.ts';
import { multicall3Abi } from '../abi/multicall3.ts';
import { productNftAbi } from '../abi/product-nft.ts';
import { rejuveTokenAbi } from '../abi/rejuve-token.ts';
import { schemaRegistryAbi } from '../abi/schema-registry.ts';
import { devAccount } from '../dev-accounts.ts';
import { domainOf } from '../typed-data.ts';

/** A chain with every contract deployed, and typed handles on them. Call `stop()` in `afterAll`. */
export async function startContractFixture() {
  const chain = await startTestChain();
  const manifest = await deployTestContracts(chain);
  const client = createTestClient({
    mode: 'anvil',
    chain: defineChain({
      id: chain.chainId,
      name: 'test',
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [chain.url] } },
    }),
    transport: http(chain.url),
    // A test chain mines at once; asking often keeps tests short.
    pollingInterval: 20,
    cacheTime: 0,
  })
    .extend(publicActions)
    .extend(walletActions);

  const accounts = {
    deployer: privateKeyToAccount(testAccounts.deployer.privateKey),
    treasury: privateKeyToAccount(testAccounts.treasury.privateKey),
    sponsor: privateKeyToAccount(testAccounts.sponsor.privateKey),
    lab: privateKeyToAccount(testAccounts.lab.privateKey),
    person: privateKeyToAccount(devAccount(4).privateKey),
    stranger: privateKeyToAccount(devAccount(5).privateKey),
  };
  const at = (name: string) => requireContract(manifest, name).address;

  /** Simulates first, so that a revert is decoded, then sends and waits. */
  async function send(account: Account, request: CallRequest) {
    const { request: checked } = await client.simulateContract({ ...request, account } as never);
    const hash = await client.writeContract(checked as never);
    return client.waitForTransactionReceipt({ hash });
  }

  return {
    chain,
    client,
    manifest,
    accounts,
    send,
    token: { address: at('RejuveToken'), abi: rejuveTokenAbi },
    identity: { address: at('IdentityToken'), abi: identityTokenAbi },
    data: { address: at('DataManagement'), abi: dataManagementAbi },
    product: { address: at('ProductNFT'), abi: productNftAbi },
    multicall: { address: at('Multicall3'), abi: multicall3Abi },
    eas: { address: at('EAS'), abi: easAbi },
    schemas: { address: at('SchemaRegistry'), abi: schemaRegistryAbi },
    domain: (name: 'IdentityToken' | 'DataManagement') => signingDomain(manifest, name),
    stop: () => chain.stop(),
  };
}

interface CallRequest {
  readonly address: Hex;
  readonly abi: readonly unknown[];
  readonly functionName: string;
  readonly args?: readonly unknown[];
  readonly value?: bigint;
}

function signingDomain(manifest: ContractsManifest, name: string) {
  const entry = requireContract(manifest, name);
  if (!entry.eip712) throw new Error(`${name} has no EIP-712 domain in the manifest`);
  return domainOf(entry.eip712, manifest.chainId, entry.address) as {
    name: string;
    version: string;
    chainId: number;
    verifyingContract: Hex;
  };
}

/** The decoded custom error a call fails with, as `[name, ...args]`. Throws when it does not fail that way. */
export async function revertOf(call: Promise<unknown>): Promise<readonly unknown[]> {
  try {
    await call;
  } catch (error) {
    const revert =
      error instanceof BaseError && error.walk((cause) => cause instanceof ContractFunctionRevertedError);
    if (revert instanceof ContractFunctionRevertedError && revert.data) {
      return [revert.data.errorName, ...(revert.data.args ?? [])];
    }
    throw error;
  }
  throw new Error('the call succeeded, a revert was expected');
}
