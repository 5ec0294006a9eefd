/** Where a contract's ABI and bytecode come from: compiled from our own source, or taken from its npm package. */
export type ContractSource =
  | { readonly kind: 'solidity'; readonly file: string }
  | { readonly kind: 'package'; readonly artifact: string }
  /** ABI and bytecode in files of their own. */
  | { readonly kind: 'split-package'; readonly abi: string; readonly bytecode: string };

export interface CatalogEntry {
  /** Name in Solidity and in the manifest, such as `RejuveToken`. */
  readonly name: string;
  /** File name without extension under `abi/` and `bytecode/`. */
  readonly file: string;
  /** Prefix of the exported constants: `<prefix>Abi`, `<prefix>Bytecode`. */
  readonly prefix: string;
  readonly source: ContractSource;
}

const SNET_CONTRACTS = 'singularitynet-platform-contracts';
const EAS_ARTIFACTS = '@ethereum-attestation-service/eas-contracts/artifacts/contracts';

/** Every contract the platform deploys on a development chain. */
export const CATALOG = [
  own('RejuveToken', 'rejuve-token', 'rejuveToken'),
  own('IdentityToken', 'identity-token', 'identityToken'),
  own('DataManagement', 'data-management', 'dataManagement'),
  own('ProductNFT', 'product-nft', 'productNft'),
  own('Multicall3', 'multicall3', 'multicall3'),
  packaged('EAS', 'eas', 'eas'),
  packaged('SchemaRegistry', 'schema-registry', 'schemaRegistry'),
  // SingularityNET's own, in the bytes that are on its chains.
  singularityNet('MultiPartyEscrow', 'MultiPartyEscrow', 'multi-party-escrow', 'multiPartyEscrow'),
  singularityNet('SnetRegistry', 'Registry', 'snet-registry', 'snetRegistry'),
] as const satisfies readonly CatalogEntry[];

export type ContractName = (typeof CATALOG)[number]['name'];

function own<N extends string>(name: N, file: string, prefix: string) {
  return { name, file, prefix, source: { kind: 'solidity', file: `${name}.sol` } } as const;
}

function packaged<N extends string>(name: N, file: string, prefix: string) {
  return {
    name,
    file,
    prefix,
    source: { kind: 'package', artifact: `${EAS_ARTIFACTS}/${name}.sol/${name}.json` },
  } as const;
}

function singularityNet<N extends string>(name: N, artifact: string, file: string, prefix: string) {
  return {
    name,
    file,
    prefix,
    source: {
      kind: 'split-package',
      abi: `${SNET_CONTRACTS}/abi/${artifact}.json`,
      bytecode: `${SNET_CONTRACTS}/bytecode/${artifact}.json`,
    },
  } as const;
}
