import { z } from 'zod';
import { addressSchema, hashSchema, hexSchema } from '../../../lib/address.ts';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { eventKey } from '../indexer/index-types.ts';
import { tokenInfos } from '../store/followed-contract-store.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { IndexCursor } from '../store/index-store.ts';
import {
  listAttestations,
  listBalances,
  listIdentities,
  listNfts,
  listPermissions,
  listSubmissions,
  listTransfers,
  type PageRequest,
  type Position,
} from '../store/read-store.ts';
import { asOf, asOfSchema, requireCursor, stageOf } from './as-of.ts';

const chainId = z.coerce.number().int().positive();
const uint = z.string().regex(/^\d{1,78}$/, 'expected a whole number');
const limit = z.coerce.number().int().min(1).max(500).default(50);
const cursor = z.string().optional();
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const stage = z.enum(['pending', 'confirmed', 'finalized']);
const pageSchema = z.object({ next: z.string().nullable(), hasMore: z.boolean() });
const listSchema = <T extends z.ZodType>(item: T) =>
  z.object({ asOf: asOfSchema, data: z.array(item), page: pageSchema });
const placed = {
  key: z.string(),
  stage,
  blockNumber: z.string(),
  blockHash: z.string(),
  blockTime: z.iso.datetime(),
  logIndex: z.int(),
  transactionHash: z.string(),
};
const contractSchema = z.object({ name: z.string(), address: z.string() });
const tokenSchema = contractSchema.extend({ symbol: z.string(), decimals: z.int() });
/** Metadata documents and hashes are short; a data hash is at most this many bytes here. */
const dataHash = hexSchema(1_024);

interface Row {
  block_number: number;
  block_hash: string;
  block_time: Date;
  log_index: number;
  transaction_hash: string;
  item?: number;
}

/** `/internal/{transfers,balances,nfts,permissions,data-submissions,attestations,identities}`: the index, for our own services. */
export function createIndexRoutes(deps: { postgres: GatewayPostgres; cursors: CursorCodec }): Route[] {
  const { postgres, cursors } = deps;
  const { db } = postgres;

  const place = (chain: number, at: IndexCursor, row: Row) => ({
    key: eventKey(chain, { blockHash: row.block_hash, logIndex: row.log_index, item: row.item ?? 0 }),
    stage: stageOf(row.block_number, at),
    blockNumber: String(row.block_number),
    blockHash: row.block_hash,
    blockTime: row.block_time.toISOString(),
    logIndex: row.log_index,
    transactionHash: row.transaction_hash,
  });

  /** One page of a list that is ordered by place in the chain. The cursor is that place, so new blocks shift nothing. */
  async function pageOf<R extends Row, T>(
    name: string,
    filter: object,
    query: { cursor?: string | undefined; limit: number },
    read: (page: PageRequest) => Promise<R[]>,
    view: (row: R) => T,
  ): Promise<{ data: T[]; page: { next: string | null; hasMore: boolean } }> {
    const list = `${name}?${JSON.stringify(filter)}`;
    let before: Position | undefined;
    if (query.cursor !== undefined) {
      const [block = 0, logIndex = 0, item = 0] = cursors.decode(list, query.cursor).map(Number);
      before = { block, logIndex, item };
    }
    const rows = await read({ before, limit: query.limit + 1 });
    const shown = rows.slice(0, query.limit);
    const last = shown.at(-1);
    const hasMore = rows.length > query.limit && last !== undefined;
    return {
      data: shown.map(view),
      page: {
        hasMore,
        next: hasMore ? cursors.encode(list, [last.block_number, last.log_index, last.item ?? 0]) : null,
      },
    };
  }

  const route = <Q extends z.ZodType, S extends z.ZodType>(
    path: string,
    operationId: string,
    summary: string,
    query: Q,
    schema: S,
    handle: (query: z.output<Q>) => Promise<unknown>,
  ): Route =>
    defineRoute({
      method: 'get',
      path,
      operationId,
      summary,
      tags: ['index'],
      auth: ['service'],
      query,
      responses: { 200: { description: 'As of the block in `asOf`', schema } },
      errors: ['chain_unavailable', 'invalid_cursor'],
      handler: async (context) => reply(200, await handle(context.query as z.output<Q>)),
    });

  const names = async (chain: number) => {
    const infos = await tokenInfos(db, chain);
    return {
      contract: (address: string) => ({ name: infos.get(address)?.name ?? 'unknown', address }),
      token: (address: string) => {
        const info = infos.get(address);
        return {
          name: info?.name ?? (address.startsWith('0xEeee') ? 'native' : 'unknown'),
          address,
          symbol: info?.symbol ?? '',
          decimals: info?.decimals ?? 0,
        };
      },
    };
  };

  return [
    route(
      '/internal/transfers',
      'listTransfers',
      'Transfers of tokens, newest first',
      z.strictObject({
        chainId,
        address: addressSchema.optional(),
        token: addressSchema.optional(),
        /** Which kind of token; NFTs and the chain's own coin are asked for by name. */
        standard: z.enum(['erc20', 'erc721', 'erc1155', 'native', 'all']).default('erc20'),
        direction: z.enum(['in', 'out']).optional(),
        counterparty: addressSchema.optional(),
        fromTime: time.optional(),
        toTime: time.optional(),
        stage: stage.optional(),
        cursor,
        limit,
      }),
      listSchema(
        z.object({
          ...placed,
          token: tokenSchema,
          standard: z.string(),
          from: z.string(),
          to: z.string(),
          amount: z.string(),
          tokenId: z.string().nullable(),
        }),
      ),
      async ({ cursor: from, limit: size, stage: wanted, standard, ...rest }) => {
        const filter = { ...rest, standard: standard === 'all' ? undefined : standard };
        const at = await requireCursor(db, filter.chainId);
        const known = await names(filter.chainId);
        const range =
          wanted === 'finalized'
            ? { upTo: at.finalized }
            : wanted === 'confirmed'
              ? { upTo: at.confirmed }
              : wanted === 'pending'
                ? { above: at.confirmed }
                : {};
        const page = await pageOf(
          'transfers',
          { ...filter, wanted },
          { cursor: from, limit: size },
          (p) => listTransfers(db, { ...filter, ...range }, p),
          (row) => ({
            ...place(filter.chainId, at, row),
            token: known.token(row.token),
            standard: row.standard,
            from: row.from_address,
            to: row.to_address,
            amount: row.amount,
            tokenId: row.token_id,
          }),
        );
        return { asOf: asOf(at), ...page };
      },
    ),

    route(
      '/internal/balances',
      'listBalances',
      'Balances of an address in the tokens that are followed',
      z.strictObject({ chainId, address: addressSchema, token: addressSchema.optional() }),
      z.object({ asOf: asOfSchema, balances: z.array(z.object({ token: tokenSchema, raw: z.string() })) }),
      async ({ chainId: chain, address, token }) => {
        const at = await requireCursor(db, chain);
        const infos = await tokenInfos(db, chain);
        const found = new Map(
          (await listBalances(db, chain, address, token)).map((row) => [row.token, row.raw]),
        );
        const known = await names(chain);
        // Every followed token is answered, so that "none" and "not known" cannot be confused.
        const followed = [...infos.values()].filter(
          (info) => info.standard === 'erc20' && (token === undefined || info.address === token),
        );
        return {
          asOf: asOf(at),
          balances: followed.map((info) => ({
            token: known.token(info.address),
            raw: found.get(info.address) ?? '0',
          })),
        };
      },
    ),

    route(
      '/internal/nfts',
      'listNfts',
      'Holdings of NFTs',
      z.strictObject({
        chainId,
        owner: addressSchema.optional(),
        contract: addressSchema.optional(),
        tokenId: uint.optional(),
        cursor,
        limit,
      }),
      listSchema(
        z.object({
          contract: contractSchema,
          tokenId: z.string(),
          owner: z.string(),
          standard: z.string(),
          amount: z.string(),
        }),
      ),
      async ({ cursor: from, limit: size, ...filter }) => {
        const at = await requireCursor(db, filter.chainId);
        const known = await names(filter.chainId);
        const list = `nfts?${JSON.stringify(filter)}`;
        const [contract, tokenId, owner] = from === undefined ? [] : cursors.decode(list, from).map(String);
        const after = contract && tokenId && owner ? { contract, tokenId, owner } : undefined;
        const rows = await listNfts(db, filter, after, size + 1);
        const shown = rows.slice(0, size);
        const last = shown.at(-1);
        const hasMore = rows.length > size && last !== undefined;
        return {
          asOf: asOf(at),
          data: shown.map((row) => ({
            contract: known.contract(row.contract),
            tokenId: row.token_id,
            owner: row.owner,
            standard: row.standard,
            amount: row.amount,
          })),
          page: {
            hasMore,
            next: hasMore ? cursors.encode(list, [last.contract, last.token_id, last.owner]) : null,
          },
        };
      },
    ),

    route(
      '/internal/permissions',
      'listPermissions',
      'Permissions granted on the chain, newest first',
      z.strictObject({
        chainId,
        owner: addressSchema.optional(),
        ownerId: uint.optional(),
        requesterId: uint.optional(),
        dataHash: dataHash.optional(),
        productId: uint.optional(),
        permissionHash: hashSchema.optional(),
        cursor,
        limit,
      }),
      listSchema(
        z.object({
          ...placed,
          contract: contractSchema,
          dataOwnerId: z.string(),
          requesterId: z.string(),
          productId: z.string(),
          dataHash: z.string(),
          permissionHash: z.string(),
        }),
      ),
      async ({ cursor: from, limit: size, ...filter }) => {
        const at = await requireCursor(db, filter.chainId);
        const known = await names(filter.chainId);
        const page = await pageOf(
          'permissions',
          filter,
          { cursor: from, limit: size },
          (p) => listPermissions(db, filter, p),
          (row) => ({
            ...place(filter.chainId, at, row),
            contract: known.contract(row.contract),
            dataOwnerId: row.owner_id,
            requesterId: row.requester_id,
            productId: row.product_id,
            dataHash: row.data_hash,
            permissionHash: row.permission_hash,
          }),
        );
        return { asOf: asOf(at), ...page };
      },
    ),

    route(
      '/internal/data-submissions',
      'listDataSubmissions',
      'Data hashes submitted on the chain, newest first',
      z.strictObject({
        chainId,
        owner: addressSchema.optional(),
        ownerId: uint.optional(),
        dataHash: dataHash.optional(),
        cursor,
        limit,
      }),
      listSchema(
        z.object({
          ...placed,
          contract: contractSchema,
          dataOwner: z.string(),
          dataOwnerId: z.string(),
          dataHash: z.string(),
        }),
      ),
      async ({ cursor: from, limit: size, ...filter }) => {
        const at = await requireCursor(db, filter.chainId);
        const known = await names(filter.chainId);
        const page = await pageOf(
          'data-submissions',
          filter,
          { cursor: from, limit: size },
          (p) => listSubmissions(db, filter, p),
          (row) => ({
            ...place(filter.chainId, at, row),
            contract: known.contract(row.contract),
            dataOwner: row.owner,
            dataOwnerId: row.owner_id,
            dataHash: row.data_hash,
          }),
        );
        return { asOf: asOf(at), ...page };
      },
    ),

    route(
      '/internal/attestations',
      'listAttestations',
      'Attestations (EAS), newest first',
      z.strictObject({
        chainId,
        recipient: addressSchema.optional(),
        attester: addressSchema.optional(),
        schema: hashSchema.optional(),
        uid: hashSchema.optional(),
        cursor,
        limit,
      }),
      listSchema(
        z.object({
          ...placed,
          contract: contractSchema,
          uid: z.string(),
          schema: z.string(),
          attester: z.string(),
          recipient: z.string(),
          revokedAt: z.iso.datetime().nullable(),
        }),
      ),
      async ({ cursor: from, limit: size, ...filter }) => {
        const at = await requireCursor(db, filter.chainId);
        const known = await names(filter.chainId);
        const page = await pageOf(
          'attestations',
          filter,
          { cursor: from, limit: size },
          (p) => listAttestations(db, filter, p),
          (row) => ({
            ...place(filter.chainId, at, row),
            contract: known.contract(row.contract),
            uid: row.uid,
            schema: row.schema_uid,
            attester: row.attester,
            recipient: row.recipient,
            revokedAt: row.revoked_time?.toISOString() ?? null,
          }),
        );
        return { asOf: asOf(at), ...page };
      },
    ),

    defineRoute({
      method: 'get',
      path: '/internal/identities/{address}',
      operationId: 'getIdentity',
      summary: 'Identities of an address, the live one first',
      tags: ['index'],
      auth: ['service'],
      params: z.object({ address: addressSchema }),
      query: z.strictObject({ chainId }),
      responses: {
        200: {
          description: 'As of the block in `asOf`; `identity` is null for an address without a live identity',
          schema: z.object({ asOf: asOfSchema, identity: z.unknown(), past: z.array(z.unknown()) }),
        },
      },
      errors: ['chain_unavailable'],
      async handler({ params, query }) {
        const at = await requireCursor(db, query.chainId);
        const known = await names(query.chainId);
        const rows = (await listIdentities(db, query.chainId, params.address)).map((row) => ({
          ...place(query.chainId, at, row),
          contract: known.contract(row.contract),
          tokenId: row.token_id,
          owner: row.owner,
          sponsor: row.sponsor,
          tokenUri: row.token_uri,
          destroyedAt: row.destroyed_time?.toISOString() ?? null,
        }));
        return reply(200, {
          asOf: asOf(at),
          identity: rows.find((row) => row.destroyedAt === null) ?? null,
          past: rows.filter((row) => row.destroyedAt !== null),
        });
      },
    }),
  ];
}
