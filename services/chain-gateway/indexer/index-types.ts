/** Bigints are amounts and ids (uint256); addresses are EIP-55; hashes and bytes are lower-case hex. */

export interface IndexedBlock {
  readonly number: number;
  readonly hash: string;
  readonly parentHash: string;
  /** Epoch seconds, as in the header. */
  readonly time: number;
}

interface LogPosition {
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly logIndex: number;
  /** Which part of a log with several (TransferBatch). */
  readonly item: number;
  readonly transactionHash: string;
  readonly contractName: string;
  readonly contract: string;
}

export type EventBody =
  | { readonly type: 'transfer.erc20'; readonly from: string; readonly to: string; readonly amount: bigint }
  | { readonly type: 'transfer.erc721'; readonly from: string; readonly to: string; readonly tokenId: bigint }
  | {
      readonly type: 'transfer.erc1155';
      readonly operator: string;
      readonly from: string;
      readonly to: string;
      readonly tokenId: bigint;
      readonly amount: bigint;
    }
  | { readonly type: 'transfer.native'; readonly from: string; readonly to: string; readonly amount: bigint }
  | {
      readonly type: 'identity.created';
      readonly owner: string;
      readonly sponsor: string;
      readonly tokenId: bigint;
      readonly tokenUri: string;
    }
  | { readonly type: 'identity.destroyed'; readonly owner: string; readonly tokenId: bigint }
  /** ERC-4906: the metadata of the tokens from `tokenId` to `toTokenId`, both included, may have changed. */
  | { readonly type: 'metadata.updated'; readonly tokenId: bigint; readonly toTokenId: bigint }
  | {
      readonly type: 'data.submitted';
      readonly owner: string;
      readonly ownerId: bigint;
      readonly dataHash: string;
    }
  | {
      readonly type: 'permission.granted';
      readonly ownerId: bigint;
      readonly requesterId: bigint;
      readonly productId: bigint;
      readonly dataHash: string;
      readonly permissionHash: string;
    }
  | {
      readonly type: 'attestation.created';
      readonly uid: string;
      readonly schema: string;
      readonly attester: string;
      readonly recipient: string;
    }
  | {
      readonly type: 'attestation.revoked';
      readonly uid: string;
      readonly schema: string;
      readonly attester: string;
      readonly recipient: string;
    };

/** One thing that happened on the chain, decoded. */
export type IndexedEvent = LogPosition & { readonly body: EventBody };

export type EventType = EventBody['type'];
export type Stage = 'pending' | 'confirmed' | 'finalized' | 'reverted';

/** A contract whose logs are followed. */
export interface FollowedContract {
  readonly name: string;
  readonly address: string;
  /** `erc20`, `erc721`, `erc1155` decide how Transfer is read; `other` for contracts without tokens. */
  readonly standard: 'erc20' | 'erc721' | 'erc1155' | 'other';
  readonly fromBlock: number;
  readonly symbol: string | null;
  readonly decimals: number | null;
}

export interface RawLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly logIndex: number;
  readonly transactionHash: string;
}

export interface BlockWithEvents {
  readonly block: IndexedBlock;
  readonly events: readonly IndexedEvent[];
}

/** Name of the pseudo-contract of the chain's own coin, and its address by convention (EIP-7528). */
export const NATIVE = { name: 'native', address: '0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE' } as const;
/** Log index of native transfers: they have no log; the position of the transaction is added, below zero. */
export const nativeLogIndex = (transactionIndex: number): number => -1 - transactionIndex;

/** The same for every stage of one log. */
export const eventKey = (
  chainId: number,
  event: Pick<IndexedEvent, 'blockHash' | 'logIndex' | 'item'>,
): string => `${chainId}:${event.blockHash}:${event.logIndex}${event.item > 0 ? `:${event.item}` : ''}`;
