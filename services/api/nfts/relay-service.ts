import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Random } from '../../../lib/random.ts';
import type { ChainReader } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { GatewayTransaction } from '../chain/gateway-shapes.ts';
import type { AsOf } from '../chain/schemas.ts';
import { principalKey } from '../governance/authorise.ts';
import type { WalletService } from '../wallets/service.ts';
import {
  DATA_SUBMISSION_TYPES,
  IDENTITY_TYPES,
  newMessageNonce,
  requireSignedBy,
  type TypedMessage,
} from './typed-data.ts';

export interface IdentityRequest {
  readonly owner: string;
  readonly kyc: string;
  readonly tokenUri: string;
  readonly nonce: string;
}

export interface SubmissionRequest {
  readonly owner: string;
  readonly dataHash: string;
  readonly nonce: string;
}

export type RelayService = ReturnType<typeof createRelayService>;

/**
 * Identities and data submissions: the owner signs a message, the platform's sponsor pays for the transaction.
 * Whatever the contract would refuse is refused here first, in words, before it costs anything.
 */
export function createRelayService(deps: {
  gateway: Gateway;
  chain: Pick<ChainReader, 'read'>;
  contracts: Contracts;
  wallets: Pick<WalletService, 'requireOwner'>;
  random: Pick<Random, 'bytes'>;
  sponsorPool: string;
}) {
  const { gateway, chain, contracts, wallets, random, sponsorPool } = deps;

  const identityMessage = (request: IdentityRequest): TypedMessage => ({
    domain: contracts.domainOf('IdentityToken'),
    types: IDENTITY_TYPES,
    primaryType: 'Identity',
    message: { kyc: request.kyc, signer: request.owner, uri: request.tokenUri, nonce: request.nonce },
  });
  const submissionMessage = (request: SubmissionRequest): TypedMessage => ({
    domain: contracts.domainOf('DataManagement'),
    types: DATA_SUBMISSION_TYPES,
    primaryType: 'DataSubmission',
    message: { signer: request.owner, dhash: request.dataHash, nonce: request.nonce },
  });

  async function identityOf(address: string): Promise<{ asOf: AsOf; tokenId: bigint }> {
    const { asOf, results } = await chain.read([
      contracts.call('IdentityToken', 'getOwnerIdentity', [address]),
    ]);
    const [result] = results;
    if (!result?.ok)
      throw new AppError('chain_unavailable', 'The identity contract did not answer.', {
        retryAfterSeconds: 2,
      });
    return { asOf, tokenId: BigInt(result.values[0] as bigint) };
  }

  return {
    async identity(address: string) {
      const { asOf, tokenId } = await identityOf(address);
      const uri =
        tokenId === 0n
          ? undefined
          : (await chain.read([contracts.call('IdentityToken', 'tokenURI', [tokenId])], asOf)).results[0];
      return {
        asOf,
        identity: {
          address,
          registered: tokenId !== 0n,
          tokenId: tokenId === 0n ? null : tokenId.toString(),
          tokenUri: uri?.ok ? String(uri.values[0]) : null,
          contract: contracts.addressOf('IdentityToken'),
        },
      };
    },

    async prepareIdentity(
      principal: Principal,
      request: Omit<IdentityRequest, 'nonce'>,
    ): Promise<TypedMessage> {
      await wallets.requireOwner(principal, request.owner);
      return identityMessage({ ...request, nonce: newMessageNonce(random.bytes(6)) });
    },

    async createIdentity(
      principal: Principal,
      request: IdentityRequest & { signature: string },
      idempotencyKey: string,
    ): Promise<GatewayTransaction> {
      await wallets.requireOwner(principal, request.owner);
      requireSignedBy(request.owner, identityMessage(request), request.signature);
      const submit = () =>
        gateway.submit(
          {
            signer: sponsorPool,
            contract: 'IdentityToken',
            function: 'createIdentity',
            args: [request.signature, request.kyc, request.owner, request.tokenUri, request.nonce],
            purpose: 'identity',
            requestedBy: principalKey(principal),
          },
          idempotencyKey,
        );
      const { tokenId } = await identityOf(request.owner);
      if (tokenId === 0n) return submit();
      // A retry of the request that made this identity gets that request's answer; a new one is a conflict.
      const [earlier] = (await gateway.transactions({ idempotencyKey, limit: 1 })).data;
      if (earlier) return submit();
      throw new AppError('conflict', `${request.owner} already has identity ${tokenId}.`, {
        extra: { tokenId: tokenId.toString() },
      });
    },

    async prepareSubmission(
      principal: Principal,
      request: Omit<SubmissionRequest, 'nonce'>,
    ): Promise<TypedMessage> {
      await wallets.requireOwner(principal, request.owner);
      return submissionMessage({ ...request, nonce: newMessageNonce(random.bytes(6)) });
    },

    async submitData(
      principal: Principal,
      request: SubmissionRequest & { signature: string },
      idempotencyKey: string,
    ): Promise<GatewayTransaction> {
      await wallets.requireOwner(principal, request.owner);
      requireSignedBy(request.owner, submissionMessage(request), request.signature);
      const { results } = await chain.read([
        contracts.call('IdentityToken', 'getOwnerIdentity', [request.owner]),
        contracts.call('DataManagement', 'getDataOwnerId', [request.dataHash]),
      ]);
      const [identity, holder] = results.map((r) => (r.ok ? BigInt(r.values[0] as bigint) : 0n));
      if (!identity) {
        throw new AppError('invalid_argument', `${request.owner} has no identity yet; create it first.`, {
          errors: [{ pointer: '/owner', rule: 'identity', detail: 'a wallet with an identity NFT' }],
        });
      }
      if (holder && holder !== identity) {
        const live = await chain.read([contracts.call('IdentityToken', 'ownerOf', [holder])]);
        if (live.results[0]?.ok)
          throw new AppError('conflict', 'This data hash belongs to another identity.');
      }
      return gateway.submit(
        {
          signer: sponsorPool,
          contract: 'DataManagement',
          function: 'submitData',
          args: [request.owner, request.signature, request.dataHash, request.nonce],
          purpose: 'data-submission',
          requestedBy: principalKey(principal),
        },
        idempotencyKey,
      );
    },

    async listSubmissions(
      principal: Principal,
      query: { owner: string; dataHash?: string | undefined; cursor?: string | undefined; limit: number },
    ) {
      await wallets.requireOwner(principal, query.owner);
      const answer = await gateway.dataSubmissions(query);
      return {
        asOf: answer.asOf as AsOf,
        data: answer.data.map((row) => ({
          owner: row.dataOwner,
          ownerIdentity: row.dataOwnerId,
          dataHash: row.dataHash,
          stage: row.stage,
          blockNumber: row.blockNumber,
          blockTime: new Date(row.blockTime).toISOString(),
          transactionHash: row.transactionHash,
        })),
        page: answer.page,
      };
    },
  };
}
