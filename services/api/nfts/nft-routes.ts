import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { uint256String } from '../../../lib/amount.ts';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { ChainReader } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import { asOfSchema, chainListOf, cursorParam, limitParam } from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import type { MetadataReader } from './metadata.ts';

const NFT_CONTRACTS = ['IdentityToken', 'ProductNFT'] as const;

const nftSchema = z
  .object({
    contract: z.object({ name: z.string(), address: z.string() }),
    tokenId: z.string(),
    owner: z.string(),
    standard: z.string().describe('erc721 or erc1155'),
    amount: z.string(),
  })
  .meta({ id: 'NftHolding' });

const statusSchema = z
  .object({
    contract: z.object({ name: z.string(), address: z.string() }),
    tokenId: z.string(),
    exists: z.boolean().describe('false when it was never minted or was burned'),
    owner: z.string().nullable(),
    soulbound: z.boolean().describe('ERC-5192: locked for ever, where the contract says so'),
    tokenUri: z.string().nullable(),
  })
  .meta({ id: 'NftStatus' });

const params = z.object({
  contract: z.string().min(1).max(64).describe('Name of a platform contract, or its address'),
  tokenId: uint256String,
});

const tags = ['NFTs'];
const readErrors = ['rate_limited', 'chain_unavailable', 'dependency_unavailable'] as const;

/** `/v1/nfts`: who holds what, whether it still exists, and what it says about itself. */
export function nftRoutes(deps: {
  contracts: Contracts;
  chain: ChainReader;
  gateway: Gateway;
  metadata: MetadataReader;
}): Route[] {
  const { contracts, chain, gateway, metadata } = deps;

  function contractOf(text: string): { name: string; address: string } {
    const byAddress = /^0x[0-9a-fA-F]{40}$/.test(text) ? contracts.nameOf(text) : text;
    const name = NFT_CONTRACTS.find((known) => known === byAddress && contracts.has(known));
    if (name) return { name, address: contracts.addressOf(name) };
    throw new AppError(
      'not_found',
      `There is no NFT contract "${text}". Known: ${NFT_CONTRACTS.join(', ')}.`,
    );
  }

  async function statusOf(name: string, address: string, tokenId: string) {
    const views = [
      contracts.call(name, 'ownerOf', [tokenId]),
      contracts.call(name, 'tokenURI', [tokenId]),
      ...(name === 'IdentityToken' ? [contracts.call(name, 'locked', [tokenId])] : []),
    ];
    let { asOf, results } = await chain.read(views);
    if (results[0]?.ok !== true) {
      // "There is none" is said only as of now: another replica may have told of it a moment ago.
      const newest = await chain.latest(0);
      if (newest.blockHash !== asOf.blockHash) ({ asOf, results } = await chain.read(views, newest));
    }
    const [owner, uri, locked] = results;
    return {
      asOf,
      nft: {
        contract: { name, address },
        tokenId,
        exists: owner?.ok === true,
        owner: owner?.ok ? String(owner.values[0]) : null,
        soulbound: locked?.ok === true && locked.values[0] === true,
        tokenUri: uri?.ok ? String(uri.values[0]) : null,
      },
    };
  }

  return [
    defineRoute({
      ...secured('nfts:read', 'none'),
      method: 'get',
      path: '/v1/nfts',
      operationId: 'listNfts',
      summary: 'List the NFTs of an owner',
      tags,
      query: z.strictObject({
        owner: addressSchema,
        contract: addressSchema.optional(),
        cursor: cursorParam,
        limit: limitParam,
      }),
      responses: { 200: { description: 'One page', schema: chainListOf(nftSchema) } },
      errors: [...readErrors, 'invalid_cursor'],
      handler: async ({ query, signal }) => reply(200, await gateway.nfts(query, signal)),
    }),
    defineRoute({
      ...secured('nfts:read', 'none'),
      method: 'get',
      path: '/v1/nfts/{contract}/{tokenId}',
      operationId: 'getNft',
      summary: 'Status of one NFT',
      tags,
      params,
      responses: {
        200: {
          description: 'Also for a token that does not exist (any more)',
          schema: z.object({ asOf: asOfSchema, nft: statusSchema }),
        },
      },
      errors: [...readErrors, 'not_found'],
      async handler({ params: { contract, tokenId } }) {
        const { name, address } = contractOf(contract);
        return reply(200, await statusOf(name, address, tokenId));
      },
    }),
    defineRoute({
      ...secured('nfts:read', 'none'),
      method: 'get',
      path: '/v1/nfts/{contract}/{tokenId}/metadata',
      operationId: 'getNftMetadata',
      summary: 'Metadata of one NFT',
      description:
        'Resolved from data:, ipfs: or https:, bounded in size and time. Send If-None-Match to spare the transfer.',
      tags,
      params,
      requestHeaders: z.object({ 'if-none-match': z.string().max(200).optional() }),
      responses: {
        200: {
          description: 'The document as its author wrote it',
          schema: z.object({
            asOf: asOfSchema,
            tokenUri: z.string(),
            metadata: z.record(z.string(), z.unknown()),
          }),
          headers: { etag: { description: 'Changes when the document changes' } },
        },
        304: { description: 'Not modified' },
      },
      errors: [...readErrors, 'not_found', 'invalid_argument'],
      async handler({ params: { contract, tokenId }, headers }) {
        const { name, address } = contractOf(contract);
        const { asOf, nft } = await statusOf(name, address, tokenId);
        if (!nft.exists || nft.tokenUri === null)
          throw new AppError('not_found', `${name} ${tokenId} does not exist.`);
        const { document, etag } = await metadata.read({ address, tokenId }, nft.tokenUri);
        const cached = { etag, 'cache-control': 'private, max-age=60' };
        const known = (headers['if-none-match'] ?? '')
          .split(',')
          .map((tag) => tag.trim().replace(/^W\//, ''));
        if (known.includes(etag)) return reply(304, undefined, cached);
        return reply(200, { asOf, tokenUri: nft.tokenUri, metadata: document }, cached);
      },
    }),
  ];
}
