import { Interface, type LogDescription } from 'ethers';
import type { EventBody, FollowedContract, IndexedEvent, RawLog } from './index-types.ts';

const erc20 = new Interface(['event Transfer(address indexed from, address indexed to, uint256 amount)']);
const erc721 = new Interface([
  'event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)',
]);
const erc1155 = new Interface([
  'event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value)',
  'event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values)',
]);
const platform = new Interface([
  'event IdentityCreated(address indexed identityOwner, address indexed sponsor, uint256 tokenId, string tokenURI)',
  'event IdentityDestroyed(address indexed identityOwner, uint256 tokenId)',
  'event DataSubmitted(address indexed dataOwner, uint256 indexed dataOwnerId, bytes dataHash)',
  'event PermissionGranted(uint256 indexed dataOwnerId, uint256 requesterId, uint256 nextProductUID, bytes dataHash, bytes32 permissionHash)',
  'event Attested(address indexed recipient, address indexed attester, bytes32 uid, bytes32 indexed schemaUID)',
  // ERC-4906
  'event MetadataUpdate(uint256 tokenId)',
  'event BatchMetadataUpdate(uint256 fromTokenId, uint256 toTokenId)',
  'event Revoked(address indexed recipient, address indexed attester, bytes32 uid, bytes32 indexed schemaUID)',
]);

const topicOf = (iface: Interface, name: string): string => iface.getEvent(name)?.topicHash ?? '';

/** First topics that mean anything to us; everything else on the same contracts is left alone. */
export const FOLLOWED_TOPICS: readonly string[] = [
  topicOf(erc20, 'Transfer'),
  topicOf(erc1155, 'TransferSingle'),
  topicOf(erc1155, 'TransferBatch'),
  ...[
    'IdentityCreated',
    'IdentityDestroyed',
    'DataSubmitted',
    'PermissionGranted',
    'Attested',
    'Revoked',
    'MetadataUpdate',
    'BatchMetadataUpdate',
  ].map((name) => topicOf(platform, name)),
];

function bodiesOf(description: LogDescription, isNft: boolean): EventBody[] {
  const a = description.args;
  switch (description.name) {
    case 'Transfer':
      return [
        isNft
          ? { type: 'transfer.erc721', from: a[0], to: a[1], tokenId: a[2] }
          : { type: 'transfer.erc20', from: a[0], to: a[1], amount: a[2] },
      ];
    case 'TransferSingle':
      return [
        { type: 'transfer.erc1155', operator: a[0], from: a[1], to: a[2], tokenId: a[3], amount: a[4] },
      ];
    case 'TransferBatch':
      return [...a[3]].map((tokenId: bigint, i) => ({
        type: 'transfer.erc1155' as const,
        operator: a[0],
        from: a[1],
        to: a[2],
        tokenId,
        amount: a[4][i] as bigint,
      }));
    case 'IdentityCreated':
      return [{ type: 'identity.created', owner: a[0], sponsor: a[1], tokenId: a[2], tokenUri: a[3] }];
    case 'IdentityDestroyed':
      return [{ type: 'identity.destroyed', owner: a[0], tokenId: a[1] }];
    case 'DataSubmitted':
      return [{ type: 'data.submitted', owner: a[0], ownerId: a[1], dataHash: a[2] }];
    case 'PermissionGranted':
      return [
        {
          type: 'permission.granted',
          ownerId: a[0],
          requesterId: a[1],
          productId: a[2],
          dataHash: a[3],
          permissionHash: a[4],
        },
      ];
    case 'Attested':
      return [{ type: 'attestation.created', recipient: a[0], attester: a[1], uid: a[2], schema: a[3] }];
    case 'Revoked':
      return [{ type: 'attestation.revoked', recipient: a[0], attester: a[1], uid: a[2], schema: a[3] }];
    case 'MetadataUpdate':
      return [{ type: 'metadata.updated', tokenId: a[0], toTokenId: a[0] }];
    case 'BatchMetadataUpdate':
      return [{ type: 'metadata.updated', tokenId: a[0], toTokenId: a[1] }];
    default:
      return [];
  }
}

function parse(contract: FollowedContract, log: RawLog): LogDescription | null {
  const raw = { topics: [...log.topics], data: log.data };
  const token = contract.standard === 'erc1155' ? erc1155 : log.topics.length === 4 ? erc721 : erc20;
  for (const iface of [token, platform]) {
    try {
      const parsed = iface.parseLog(raw);
      if (parsed) return parsed;
    } catch {
      // A contract may emit an event of the same name with other fields; it is not one of ours then.
      return null;
    }
  }
  return null;
}

/** What a log says in our words; none for logs that only look like ours. */
export function decodeLog(contract: FollowedContract, log: RawLog): IndexedEvent[] {
  const description = parse(contract, log);
  if (!description) return [];
  return bodiesOf(description, log.topics.length === 4).map((body, item) => ({
    blockNumber: log.blockNumber,
    blockHash: log.blockHash,
    logIndex: log.logIndex,
    item,
    transactionHash: log.transactionHash,
    contractName: contract.name,
    contract: contract.address,
    body,
  }));
}
