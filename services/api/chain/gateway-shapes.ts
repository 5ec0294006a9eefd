import { z } from 'zod';

/** What the gateway's internal REST answers; parsed here, so that nothing unchecked goes further. */

const asOf = z.object({
  blockNumber: z.coerce.number(),
  blockHash: z.string(),
  blockTime: z.string(),
  finality: z.enum(['latest', 'safe', 'finalized']),
});

const page = z.object({
  next: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  hasMore: z.boolean(),
});

const uint = z.union([z.string(), z.number()]).transform((value) => BigInt(value).toString());

export const gatewayToken = z.object({
  name: z.string(),
  address: z.string(),
  decimals: z.number().int(),
  symbol: z.string(),
});

export const gatewayBalances = z.object({
  asOf,
  balances: z.array(z.object({ token: gatewayToken, raw: uint })),
});

const stage = z.enum(['pending', 'confirmed', 'finalized', 'reverted']);

export const gatewayTransfers = z.object({
  asOf,
  data: z.array(
    z.object({
      key: z.string(),
      stage,
      from: z.string(),
      to: z.string(),
      amount: uint,
      blockNumber: z.coerce.number(),
      blockHash: z.string(),
      blockTime: z.string(),
      logIndex: z.coerce.number(),
      transactionHash: z.string(),
      token: gatewayToken,
    }),
  ),
  page,
});
export type GatewayTransfers = z.output<typeof gatewayTransfers>;

export const transactionState = z.enum([
  'queued',
  'prepared',
  'signed',
  'submitted',
  'included',
  'confirmed',
  'finalized',
  'rejected',
  'failed',
  'cancelled',
  'replaced',
]);

export const gatewayTransaction = z.object({
  id: z.string(),
  chainId: z.number(),
  state: transactionState,
  signer: z.object({
    alias: z.string(),
    address: z
      .string()
      .nullish()
      .transform((v) => v ?? null),
  }),
  to: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  contract: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  function: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  args: z
    .array(z.unknown())
    .nullish()
    .transform((v) => v ?? null),
  value: z
    .string()
    .nullish()
    .transform((v) => v ?? '0'),
  nonce: z
    .number()
    .nullish()
    .transform((v) => v ?? null),
  hash: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  blockNumber: z.coerce
    .number()
    .nullish()
    .transform((v) => v ?? null),
  blockHash: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  confirmations: z.coerce
    .number()
    .nullish()
    .transform((v) => v ?? 0),
  error: z
    .object({ code: z.string(), message: z.string() })
    .nullish()
    .transform((v) => v ?? null),
  purpose: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  requestedBy: z.string(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type GatewayTransaction = z.output<typeof gatewayTransaction>;

export const gatewayTransactionList = z.object({ data: z.array(gatewayTransaction), page });

const eventBase = {
  stage,
  blockNumber: z.coerce.number(),
  blockHash: z.string(),
  blockTime: z.string(),
  logIndex: z.coerce.number().optional(),
  transactionHash: z.string(),
};

const contract = z.object({ name: z.string(), address: z.string() });

export const gatewayNfts = z.object({
  asOf,
  data: z.array(z.object({ contract, tokenId: uint, owner: z.string(), standard: z.string(), amount: uint })),
  page,
});

export const gatewayPermissions = z.object({
  asOf,
  data: z.array(
    z.object({
      ...eventBase,
      dataOwnerId: uint,
      requesterId: uint,
      productId: uint,
      dataHash: z.string(),
      permissionHash: z.string(),
    }),
  ),
  page,
});
export type GatewayPermission = z.output<typeof gatewayPermissions>['data'][number];

export const gatewayDataSubmissions = z.object({
  asOf,
  data: z.array(z.object({ ...eventBase, dataOwner: z.string(), dataOwnerId: uint, dataHash: z.string() })),
  page,
});

export const gatewayIdentity = z.object({
  asOf,
  identity: z
    .object({
      tokenId: uint,
      owner: z.string(),
      tokenUri: z.string(),
      stage,
      transactionHash: z.string(),
      blockTime: z.string(),
    })
    .nullable(),
  past: z.array(z.object({ tokenId: uint, destroyedAt: z.string().nullable() })).default([]),
});

export const gatewayAttestations = z.object({ asOf, data: z.array(z.object({ uid: z.string() })), page });

export const gatewayEvents = z.object({
  events: z.array(
    z.object({
      seq: z.string(),
      chainId: z.number(),
      type: z.string(),
      stage,
      key: z.string(),
      blockNumber: z.coerce.number(),
      blockTime: z.string(),
      transactionHash: z.string().nullish(),
      contract: z.object({ name: z.string().nullish(), address: z.string() }).nullish(),
      data: z.record(z.string(), z.unknown()),
    }),
  ),
  next: z.string(),
  last: z.string(),
});
export type GatewayEvent = z.output<typeof gatewayEvents>['events'][number];
