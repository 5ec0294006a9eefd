import type { InterfaceAbi } from 'ethers';
import { dataManagementAbi } from '../../../contracts/abi/data-management.ts';
import { easAbi } from '../../../contracts/abi/eas.ts';
import { identityTokenAbi } from '../../../contracts/abi/identity-token.ts';
import { multiPartyEscrowAbi } from '../../../contracts/abi/multi-party-escrow.ts';
import { multicall3Abi } from '../../../contracts/abi/multicall3.ts';
import { productNftAbi } from '../../../contracts/abi/product-nft.ts';
import { rejuveTokenAbi } from '../../../contracts/abi/rejuve-token.ts';
import { schemaRegistryAbi } from '../../../contracts/abi/schema-registry.ts';
import { snetRegistryAbi } from '../../../contracts/abi/snet-registry.ts';
import { type ContractsManifest, ContractsManifestError } from '../../../lib/contracts-manifest.ts';
import { type ContractBook, createContractBook } from './contract-book.ts';

/** The manifest's `abi` names, as files under contracts/abi. */
const ABIS: Readonly<Record<string, InterfaceAbi>> = {
  'rejuve-token': rejuveTokenAbi,
  'identity-token': identityTokenAbi,
  'data-management': dataManagementAbi,
  'product-nft': productNftAbi,
  multicall3: multicall3Abi,
  eas: easAbi,
  'schema-registry': schemaRegistryAbi,
  'multi-party-escrow': multiPartyEscrowAbi,
  'snet-registry': snetRegistryAbi,
};

/** The contracts of a manifest with their ABIs. @throws ContractsManifestError for an ABI that this release does not have. */
export function loadContractBook(manifest: ContractsManifest): ContractBook {
  return createContractBook(
    manifest.chainId,
    Object.entries(manifest.contracts).map(([name, entry]) => {
      const abi = ABIS[entry.abi];
      if (!abi)
        throw new ContractsManifestError(
          `${name} asks for the ABI ${entry.abi}; this release has: ${Object.keys(ABIS).join(', ')}`,
        );
      return { name, address: entry.address, abi, deployedBlock: entry.deployedBlock };
    }),
  );
}
