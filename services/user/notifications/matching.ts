import type { ChainEvent, Stage } from '../gateway/schemas.ts';

/** What one person is to be told about one event of the chain. */
export interface Notice {
  readonly personId: string;
  /** The same for all stages of one event: there is one inbox row for it. */
  readonly eventKey: string;
  readonly type: string;
  readonly stage: Stage;
  readonly data: Readonly<Record<string, unknown>>;
  readonly occurredAt: Date;
}

const ADDRESS = /^0x[0-9a-fA-F]{40}$/;

/** The addresses that an event speaks of: whoever has one of them is told. */
export function addressesOf(event: ChainEvent): string[] {
  const out = new Set<string>();
  for (const value of Object.values(event.data))
    if (typeof value === 'string' && ADDRESS.test(value)) out.add(value);
  return [...out];
}

const TRANSFER_FAMILY: Readonly<Record<string, string>> = {
  'transfer.erc20': 'transfer',
  'transfer.native': 'transfer',
  'transfer.erc721': 'nft',
  'transfer.erc1155': 'nft',
};

/** Facts that a notice shows. Hashes of health data and signatures are not among them. */
function shownData(event: ChainEvent): Record<string, unknown> {
  const { dataHash: _hash, permissionHash: _permission, signature: _signature, ...rest } = event.data;
  return {
    chainId: event.chainId,
    contract: event.contract.address,
    contractName: event.contract.name ?? null,
    transactionHash: event.transactionHash,
    blockNumber: event.blockNumber,
    ...rest,
  };
}

/**
 * Who is told what about an event. A transfer between two people tells both, each with her own direction; one between
 * two wallets of the same person tells her once.
 *
 * @param personOf the person who has linked an address.
 */
export function noticesOf(event: ChainEvent, personOf: (address: string) => string | undefined): Notice[] {
  const base = { eventKey: event.key, stage: event.stage, occurredAt: event.blockTime };
  const data = shownData(event);
  const family = Object.hasOwn(TRANSFER_FAMILY, event.type) ? TRANSFER_FAMILY[event.type] : undefined;
  if (family !== undefined) {
    const from = personOf(String(event.data.from));
    const to = personOf(String(event.data.to));
    if (from !== undefined && from === to)
      return [{ ...base, personId: from, type: `${family}.self`, data: { ...data, wallet: event.data.to } }];
    return [
      ...(from === undefined
        ? []
        : [{ ...base, personId: from, type: `${family}.out`, data: { ...data, wallet: event.data.from } }]),
      ...(to === undefined
        ? []
        : [{ ...base, personId: to, type: `${family}.in`, data: { ...data, wallet: event.data.to } }]),
    ];
  }
  const told = new Map<string, string>();
  for (const address of addressesOf(event)) {
    const person = personOf(address);
    if (person !== undefined && !told.has(person)) told.set(person, address);
  }
  return [...told].map(([personId, wallet]) => ({
    ...base,
    personId,
    type: event.type,
    data: { ...data, wallet },
  }));
}
