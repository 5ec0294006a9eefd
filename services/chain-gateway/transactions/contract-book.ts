import { getAddress, Interface, type InterfaceAbi } from 'ethers';

/** A contract that may be named in a request. */
export interface KnownContract {
  readonly name: string;
  /** EIP-55. */
  readonly address: string;
  readonly interface: Interface;
  readonly deployedBlock: number;
}

/** The contracts of one chain, found by name or address. */
export interface ContractBook {
  readonly chainId: number;
  byName(name: string): KnownContract | undefined;
  byAddress(address: string): KnownContract | undefined;
  names(): readonly string[];
  all(): readonly KnownContract[];
  /** Every custom error any of our contracts can throw: a call into one may surface the error of another. */
  readonly errors: Interface;
}

export function createContractBook(
  chainId: number,
  contracts: readonly { name: string; address: string; abi: InterfaceAbi; deployedBlock: number }[],
): ContractBook {
  const known = contracts.map(({ name, address, abi, deployedBlock }) => ({
    name,
    address: getAddress(address),
    interface: new Interface(abi),
    deployedBlock,
  }));
  const byName = new Map(known.map((contract) => [contract.name, contract]));
  const byAddress = new Map(known.map((contract) => [contract.address, contract]));
  const seen = new Map<string, string>();
  for (const contract of known) {
    contract.interface.forEachError((error) => seen.set(error.selector, error.format('full')));
  }
  return {
    chainId,
    byName: (name) => byName.get(name),
    byAddress: (address) => byAddress.get(getAddress(address)),
    names: () => [...byName.keys()],
    all: () => known,
    errors: new Interface([...seen.values()]),
  };
}
