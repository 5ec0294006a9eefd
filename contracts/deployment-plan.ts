import {
  getCreateAddress,
  Interface,
  id,
  keccak256,
  parseUnits,
  solidityPackedKeccak256,
  Wallet,
  ZeroAddress,
} from 'ethers';
import { dataManagementAbi } from './abi/data-management.ts';
import { easAbi } from './abi/eas.ts';
import { identityTokenAbi } from './abi/identity-token.ts';
import { multiPartyEscrowAbi } from './abi/multi-party-escrow.ts';
import { multicall3Abi } from './abi/multicall3.ts';
import { productNftAbi } from './abi/product-nft.ts';
import { rejuveTokenAbi } from './abi/rejuve-token.ts';
import { schemaRegistryAbi } from './abi/schema-registry.ts';
import { snetRegistryAbi } from './abi/snet-registry.ts';
import { dataManagementBytecode } from './bytecode/data-management.generated.ts';
import { easBytecode } from './bytecode/eas.generated.ts';
import { identityTokenBytecode } from './bytecode/identity-token.generated.ts';
import { multiPartyEscrowBytecode } from './bytecode/multi-party-escrow.generated.ts';
import { multicall3Bytecode } from './bytecode/multicall3.generated.ts';
import { productNftBytecode } from './bytecode/product-nft.generated.ts';
import { rejuveTokenBytecode } from './bytecode/rejuve-token.generated.ts';
import { schemaRegistryBytecode } from './bytecode/schema-registry.generated.ts';
import { snetRegistryBytecode } from './bytecode/snet-registry.generated.ts';
import { CATALOG, type ContractName } from './catalog.ts';
import type { Hex } from './hex.ts';
import { DATA_MANAGEMENT_DOMAIN, domainOf, IDENTITY_DOMAIN, IDENTITY_TYPES } from './typed-data.ts';

/** What the treasury of a development chain starts with: enough for years of demos, far below the cap. */
export const DEV_TREASURY_SUPPLY = parseUnits('10000000', 6);

/** What an attester states about submitted data; see docs on verification. Revocable, without a resolver. */
export const HEALTH_DATA_SCHEMA = 'bytes dataHash,uint256 dataOwnerId,bytes32 method';

/** Grants, mints and registrations stay below this; unused gas is given back. */
const CALL_GAS = 500_000n;

const INTERFACES: Record<ContractName, Interface> = {
  RejuveToken: new Interface(rejuveTokenAbi),
  IdentityToken: new Interface(identityTokenAbi),
  DataManagement: new Interface(dataManagementAbi),
  ProductNFT: new Interface(productNftAbi),
  Multicall3: new Interface(multicall3Abi),
  EAS: new Interface(easAbi),
  SchemaRegistry: new Interface(schemaRegistryAbi),
  MultiPartyEscrow: new Interface(multiPartyEscrowAbi),
  SnetRegistry: new Interface(snetRegistryAbi),
};

const BYTECODE: Record<ContractName, Hex> = {
  RejuveToken: rejuveTokenBytecode,
  IdentityToken: identityTokenBytecode,
  DataManagement: dataManagementBytecode,
  ProductNFT: productNftBytecode,
  Multicall3: multicall3Bytecode,
  EAS: easBytecode,
  SchemaRegistry: schemaRegistryBytecode,
  MultiPartyEscrow: multiPartyEscrowBytecode,
  SnetRegistry: snetRegistryBytecode,
};

export const creationCodeHash = (name: ContractName): Hex => keccak256(BYTECODE[name]) as Hex;
export const interfaceOf = (name: ContractName): Interface => INTERFACES[name];

export interface PlannedTransaction {
  /** For people: what this one does. */
  readonly label: string;
  readonly nonce: number;
  /** Absent when it creates a contract. */
  readonly to?: Hex;
  readonly data: Hex;
  /** Absent: ask the node. Only calls to contracts that do not exist yet cannot be estimated. */
  readonly gasLimit?: bigint;
  readonly creates?: ContractName;
}

export interface DeploymentPlan {
  readonly transactions: readonly PlannedTransaction[];
  readonly addresses: Record<ContractName, Hex>;
  readonly schemaUid: Hex;
}

export interface PlanInput {
  readonly chainId: number;
  readonly deployer: Hex;
  /** The deployer's next nonce: a contract's address follows from it. */
  readonly nonce: number;
  readonly treasury: Hex;
  readonly sponsor: Hex;
  /** Signs the consent to its own identity. */
  readonly labKey: Hex;
}

/**
 * Every transaction of a deployment. Addresses follow from the nonces, so that later transactions can name earlier
 * contracts and all of them fit into one or two blocks.
 */
export async function planDeployment(input: PlanInput): Promise<DeploymentPlan> {
  const { deployer, treasury, sponsor } = input;
  const addresses = Object.fromEntries(
    CATALOG.map(({ name }, index) => [
      name,
      getCreateAddress({ from: deployer, nonce: input.nonce + index }) as Hex,
    ]),
  ) as Record<ContractName, Hex>;

  const constructorArguments: Record<ContractName, readonly unknown[]> = {
    RejuveToken: [deployer],
    IdentityToken: [IDENTITY_DOMAIN.name, 'RID', IDENTITY_DOMAIN.version, sponsor],
    DataManagement: [
      DATA_MANAGEMENT_DOMAIN.name,
      DATA_MANAGEMENT_DOMAIN.version,
      sponsor,
      addresses.IdentityToken,
    ],
    ProductNFT: ['Rejuve Products', 'RPROD', sponsor, addresses.IdentityToken, addresses.DataManagement],
    Multicall3: [],
    EAS: [addresses.SchemaRegistry],
    SchemaRegistry: [],
    MultiPartyEscrow: [addresses.RejuveToken],
    SnetRegistry: [],
  };
  const creations = CATALOG.map(({ name }) => ({
    label: `deploy ${name}`,
    data: (BYTECODE[name] + INTERFACES[name].encodeDeploy(constructorArguments[name]).slice(2)) as Hex,
    creates: name,
  }));

  const call = (label: string, name: ContractName, method: string, args: readonly unknown[]) => ({
    label,
    to: addresses[name],
    data: INTERFACES[name].encodeFunctionData(method, args) as Hex,
    gasLimit: CALL_GAS,
  });
  const sponsorRole = id('SPONSOR_ROLE');
  const calls = [
    call('let the treasury mint', 'RejuveToken', 'grantRole', [id('MINTER_ROLE'), treasury]),
    call('mint the treasury supply', 'RejuveToken', 'mint', [treasury, DEV_TREASURY_SUPPLY]),
    // Only a sponsor creates identities. The deployer is one for exactly this transaction.
    call('let the deployer sponsor', 'IdentityToken', 'grantRole', [sponsorRole, deployer]),
    call(
      'create the identity of the lab',
      'IdentityToken',
      'createIdentity',
      await labIdentity(input, addresses),
    ),
    call('stop the deployer from sponsoring', 'IdentityToken', 'revokeRole', [sponsorRole, deployer]),
    call('register the schema for health data', 'SchemaRegistry', 'register', [
      HEALTH_DATA_SCHEMA,
      ZeroAddress,
      true,
    ]),
  ];

  return {
    transactions: [...creations, ...calls].map((tx, index) => ({ ...tx, nonce: input.nonce + index })),
    addresses,
    schemaUid: solidityPackedKeccak256(
      ['string', 'address', 'bool'],
      [HEALTH_DATA_SCHEMA, ZeroAddress, true],
    ) as Hex,
  };
}

/** Arguments of `createIdentity` for the lab, signed by it. */
async function labIdentity({ chainId, labKey }: PlanInput, addresses: Record<ContractName, Hex>) {
  const lab = new Wallet(labKey);
  const metadata = {
    name: 'Development lab',
    description: 'A requester of health data on a development chain.',
  };
  const message = {
    kyc: id('rejuve development lab'),
    signer: lab.address,
    uri: `data:application/json;base64,${Buffer.from(JSON.stringify(metadata)).toString('base64')}`,
    nonce: 1n,
  };
  const domain = domainOf(IDENTITY_DOMAIN, chainId, addresses.IdentityToken);
  const signature = await lab.signTypedData(domain, IDENTITY_TYPES, message);
  return [signature, message.kyc, message.signer, message.uri, message.nonce];
}
