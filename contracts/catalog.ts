/** Where a contract's ABI and bytecode come from: compiled from our own source, or taken from its npm package. */
export type ContractSource =
  | { readonly kind: 'solidity'; readonly file: string }
  | { readonly kind: 'package'; readonly artifact: string };

export interface CatalogEntry {
  /** Name in Solidity and in the manifest, such as `RejuveToken`. */
  readonly name: string;
  /** File name without extension under `abi/` and `bytecode/`. */
  readonly file: string;
  /** Prefix of the exported constants: `<prefix>Abi`, `<prefix>Bytecode`. */
  readonly prefix: string;
  readonly source: ContractSource;
}

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
