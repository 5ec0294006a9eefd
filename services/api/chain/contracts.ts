import type { Interface } from 'ethers';
import { dataManagementAbi } from '../../../contracts/abi/data-management.ts';
import { easAbi } from '../../../contracts/abi/eas.ts';
import { identityTokenAbi } from '../../../contracts/abi/identity-token.ts';
import { productNftAbi } from '../../../contracts/abi/product-nft.ts';
import { rejuveTokenAbi } from '../../../contracts/abi/rejuve-token.ts';
import { sameAddress } from '../../../lib/address.ts';
import { type ContractsManifest, requireContract } from '../../../lib/contracts-manifest.ts';
import { abiOf, type Call } from './chain-reader.ts';

const ABIS: Readonly<Record<string, Interface>> = {
  RejuveToken: abiOf(rejuveTokenAbi),
  IdentityToken: abiOf(identityTokenAbi),
  DataManagement: abiOf(dataManagementAbi),
  ProductNFT: abiOf(productNftAbi),
  EAS: abiOf(easAbi),
};

export type Contracts = ReturnType<typeof createContracts>;

/** The platform's contracts on the configured chain, by the names of the manifest. */
export function createContracts(manifest: ContractsManifest) {
  const addressOf = (name: string): string => requireContract(manifest, name).address;
  return {
    manifest,
    addressOf,
    abiOf: (name: string): Interface | undefined => ABIS[name],
    names: (): string[] => Object.keys(manifest.contracts).filter((name) => ABIS[name] !== undefined),
    has: (name: string): boolean => manifest.contracts[name] !== undefined,
    nameOf: (address: string): string | undefined =>
      Object.entries(manifest.contracts).find(([, entry]) => sameAddress(entry.address, address))?.[0],
    /** A view of a platform contract. */
    call(name: string, fn: string, args: readonly unknown[]): Call {
      const abi = ABIS[name];
      if (!abi) throw new Error(`no ABI is known for ${name}`);
      return { address: addressOf(name), abi, function: fn, args };
    },
    /** EIP-712 domain of a contract whose messages people sign. */
    domainOf(name: string) {
      const entry = requireContract(manifest, name);
      if (!entry.eip712) throw new Error(`the contracts manifest states no EIP-712 domain for ${name}`);
      return { ...entry.eip712, chainId: manifest.chainId, verifyingContract: entry.address as string };
    },
    /** A platform account (`sponsor`, `lab`) and its identity, by pool alias. */
    account: (alias: string): { address: string; identity?: string | undefined } | undefined =>
      manifest.accounts[alias],
    accounts: manifest.accounts,
  };
}
