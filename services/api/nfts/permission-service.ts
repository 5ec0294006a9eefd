import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Call, ChainReader } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { GatewayPermission, GatewayTransaction } from '../chain/gateway-shapes.ts';
import type { AsOf } from '../chain/schemas.ts';
import type { Db } from '../database.ts';
import { maySignWith, principalKey } from '../governance/authorise.ts';
import type { WalletService } from '../wallets/service.ts';
import type { Consent, ConsentStore, PermissionKey } from './consent-store.ts';
import { type ConsentFact, decidePermission, type GrantEvent, revocationOf } from './effective-permission.ts';
import { type GrantInterval, readersOn } from './readers.ts';
import { newMessageNonce, PERMISSION_TYPES, requireSignedBy, type TypedMessage } from './typed-data.ts';

export interface PermissionRequest {
  readonly owner: string;
  readonly dataHash: string;
  readonly productId: string;
  readonly requesterId: string;
  readonly expiresInSeconds: string;
  readonly nonce: string;
}

/** More grants of one datum for one product than a person makes; the newest are those that count. */
const MAX_GRANTS = 200;
/** What the gateway gives at once, and how many grants one answer about a day looks at. */
const MAX_PAGE = 500;
const MAX_READER_GRANTS = 10_000;

export const toGrant = (row: GatewayPermission): GrantEvent => ({
  requesterId: row.requesterId,
  blockNumber: row.blockNumber,
  blockTime: Date.parse(row.blockTime),
  logIndex: row.logIndex ?? 0,
  transactionHash: row.transactionHash,
  stage: row.stage,
  dataOwnerId: row.dataOwnerId,
});

export const toFact = (consent: Consent): ConsentFact => ({
  seq: consent.seq,
  action: consent.action,
  recordedAt: consent.recordedAt.getTime(),
  headBlock: consent.headBlock,
  transactionHash: consent.transactionHash,
  expirationSeconds: consent.expirationSeconds === null ? null : BigInt(consent.expirationSeconds),
});

export type PermissionService = ReturnType<typeof createPermissionService>;

/** A provider that is further behind the index than this is not waited for. */
const BEHIND_INDEX_MS = 3_000;
const BEHIND_PAUSE_MS = 150;

/** Permissions: prepared, relayed for the owner, revoked at once, and answered with every reason. */
export function createPermissionService(deps: {
  gateway: Gateway;
  chain: Pick<ChainReader, 'read' | 'latest'>;
  contracts: Contracts;
  consents: ConsentStore;
  db: Db;
  wallets: Pick<WalletService, 'requireOwner' | 'ownerOf'>;
  random: Pick<Random, 'bytes' | 'uuid'>;
  clock: Pick<Clock, 'now' | 'monotonic' | 'sleep'>;
  log: Logger;
  /** Signer pools that take up permissions. */
  requesterPools: readonly string[];
}) {
  const { gateway, chain, contracts, consents, db, wallets, random, clock, log, requesterPools } = deps;

  /** The identity that a pool's account has now. */
  async function identityOfPool(alias: string): Promise<string | undefined> {
    const account = contracts.account(alias);
    if (!account) return undefined;
    const { results } = await chain.read([
      contracts.call('IdentityToken', 'getOwnerIdentity', [account.address]),
    ]);
    const identity = results[0]?.ok ? BigInt(results[0].values[0] as bigint) : 0n;
    return identity === 0n ? undefined : identity.toString();
  }

  /** The pool that signs as this requester. */
  async function poolOf(requesterId: string): Promise<string> {
    for (const alias of requesterPools) if ((await identityOfPool(alias)) === requesterId) return alias;
    throw new AppError('invalid_argument', `No requester of this platform has identity ${requesterId}.`, {
      errors: [
        {
          pointer: '/requesterId',
          rule: 'unknown',
          detail: `the identity of one of: ${requesterPools.join(', ')}`,
        },
      ],
    });
  }

  const messageOf = (request: PermissionRequest): TypedMessage => ({
    domain: contracts.domainOf('DataManagement'),
    types: PERMISSION_TYPES,
    primaryType: 'Permission',
    message: {
      dataowner: request.owner,
      requesterId: request.requesterId,
      dhash: request.dataHash,
      productId: request.productId,
      nonce: request.nonce,
      expiration: request.expiresInSeconds,
    },
  });

  /** Learns which transaction hashes carried our grants, where that is still open: hashes change with each fee bump. */
  async function resolveHashes(known: Consent[], grants: readonly GrantEvent[]): Promise<Consent[]> {
    const onChain = new Set(grants.map((grant) => grant.transactionHash));
    return Promise.all(
      known.map(async (consent) => {
        if (consent.action !== 'grant' || consent.transactionId === null) return consent;
        if (consent.transactionHash !== null && onChain.has(consent.transactionHash)) return consent;
        const { hash, state } = await gateway.transaction(consent.transactionId);
        if (hash === null || hash === consent.transactionHash) return consent;
        if (state === 'confirmed' || state === 'finalized') {
          await consents.setTransaction(consent.id, consent.transactionId, hash);
        }
        return { ...consent, transactionHash: hash };
      }),
    );
  }

  /**
   * The owner as the chain says it. The index may know of a submission from a block that the providers behind this
   * answer have not reached: who saw it in a list must not be told that nobody owns it, so the answer waits for them.
   */
  async function ownerOfData(
    dataHash: string,
  ): Promise<{ ownerId: bigint; owner: string | undefined; asOf: AsOf }> {
    const until = clock.monotonic() + BEHIND_INDEX_MS;
    for (;;) {
      const found = await ownerNow(dataHash);
      if (found.ownerId !== 0n || clock.monotonic() >= until) return found;
      const [submitted] = (await gateway.dataSubmissions({ dataHash, limit: 1 })).data;
      if (submitted === undefined || submitted.blockNumber <= found.asOf.blockNumber) return found;
      await clock.sleep(BEHIND_PAUSE_MS);
    }
  }

  async function ownerNow(
    dataHash: string,
  ): Promise<{ ownerId: bigint; owner: string | undefined; asOf: AsOf }> {
    const { asOf, results } = await chain.read([
      contracts.call('DataManagement', 'getDataOwnerId', [dataHash]),
    ]);
    const ownerId = results[0]?.ok ? BigInt(results[0].values[0] as bigint) : 0n;
    if (ownerId === 0n) return { ownerId, owner: undefined, asOf };
    const live = await chain.read([contracts.call('IdentityToken', 'ownerOf', [ownerId])], asOf);
    return { ownerId, owner: live.results[0]?.ok ? String(live.results[0].values[0]) : undefined, asOf };
  }

  /** The owner of the data may ask, and so may the requester itself (a client that signs as it). */
  async function requireParty(
    principal: Principal,
    owner: string | undefined,
    requesterId: string,
  ): Promise<void> {
    if (principal.kind !== 'user') {
      for (const alias of requesterPools) {
        if (maySignWith(principal, alias) && (await identityOfPool(alias)) === requesterId) return;
      }
    }
    if (owner === undefined) {
      // Nobody owns it (any more): only a client that acts for anyone may learn even that.
      if (principal.kind !== 'user' && principal.scopes.has('people:any')) return;
      throw new AppError('forbidden', 'Only the owner of the data or its requester may ask.');
    }
    await wallets.requireOwner(principal, owner);
  }

  return {
    async prepare(principal: Principal, request: Omit<PermissionRequest, 'nonce'>): Promise<TypedMessage> {
      await wallets.requireOwner(principal, request.owner);
      await poolOf(request.requesterId);
      return messageOf({ ...request, nonce: newMessageNonce(random.bytes(6)) });
    },

    /**
     * Records the consent, then relays it through the requester's pool. The id of the record follows from the
     * idempotency key, so that a retry after a crash finds it instead of adding another.
     */
    async grant(
      principal: Principal,
      request: PermissionRequest & { signature: string; purpose?: string | undefined },
      idempotencyKey: string,
    ): Promise<{ consentId: string; transaction: GatewayTransaction }> {
      await wallets.requireOwner(principal, request.owner);
      const signer = await poolOf(request.requesterId);
      requireSignedBy(request.owner, messageOf(request), request.signature);
      const { ownerId, owner } = await ownerOfData(request.dataHash);
      if (ownerId === 0n || owner?.toLowerCase() !== request.owner.toLowerCase()) {
        throw new AppError('invalid_argument', 'This wallet has not submitted data with this hash.', {
          errors: [{ pointer: '/dataHash', rule: 'owner', detail: 'a data hash that the owner submitted' }],
        });
      }
      const consentId = idempotencyKey.slice(0, 32);
      await consents.add(db, {
        id: consentId,
        action: 'grant',
        owner: request.owner,
        dataHash: request.dataHash,
        productId: request.productId,
        requesterId: request.requesterId,
        purpose: request.purpose ?? null,
        nonce: request.nonce,
        expirationSeconds: request.expiresInSeconds,
        signature: request.signature,
        headBlock: null,
        recordedBy: principalKey(principal),
      });
      const transaction = await gateway.submit(
        {
          signer,
          contract: 'DataManagement',
          function: 'getPermission',
          args: [
            request.owner,
            request.signature,
            request.dataHash,
            request.productId,
            request.nonce,
            request.expiresInSeconds,
          ],
          purpose: 'permission',
          requestedBy: principalKey(principal),
        },
        idempotencyKey,
      );
      await consents.setTransaction(consentId, transaction.id, transaction.hash);
      return { consentId, transaction };
    },

    /** Acts from this moment for every grant so far, also one that is still on its way to a block. */
    async revoke(
      principal: Principal,
      request: PermissionKey & { owner: string; reason: string | null },
    ): Promise<Consent> {
      await wallets.requireOwner(principal, request.owner);
      const id = random.uuid();
      // The chain may be away; a revocation must not be. The time of recording covers it then.
      const head = await chain.latest(0).catch((err: unknown) => {
        log.warn({ err }, 'a revocation was recorded without the height of the chain');
        return undefined;
      });
      await consents.add(db, {
        id,
        action: 'revoke',
        owner: request.owner,
        dataHash: request.dataHash,
        productId: request.productId,
        requesterId: request.requesterId,
        purpose: request.reason,
        nonce: null,
        expirationSeconds: null,
        signature: null,
        headBlock: head?.blockNumber ?? null,
        recordedBy: principalKey(principal),
      });
      const record = await consents.find(id);
      if (!record) throw new Error(`the revocation ${id} was added and is not there`);
      return record;
    },

    async effective(principal: Principal, key: PermissionKey) {
      const { ownerId, owner, asOf } = await ownerOfData(key.dataHash);
      await requireParty(principal, owner, key.requesterId);
      const views: Call[] = [
        contracts.call('DataManagement', 'getPermissionStatus', [key.dataHash, key.productId]),
        contracts.call('DataManagement', 'getPermissionDeadline', [key.dataHash, key.productId]),
        contracts.call('IdentityToken', 'ownerOf', [key.requesterId]),
      ];
      const [{ results }, events, known] = await Promise.all([
        chain.read(views, asOf),
        gateway.permissions({ dataHash: key.dataHash, productId: key.productId, limit: MAX_GRANTS }),
        consents.ofPermission(key),
      ]);
      // A grant counts for the identity that gave it; a burnt identity's grants die with it.
      const grants = events.data
        .filter((row) => row.stage !== 'reverted' && row.dataOwnerId === ownerId.toString())
        .map(toGrant);
      const [status, deadline, requester] = results;
      const verdict = decidePermission({
        requesterId: key.requesterId,
        now: clock.now(),
        chainStatus: status?.ok ? Number(status.values[0]) : 0,
        chainDeadline: deadline?.ok ? BigInt(deadline.values[0] as bigint) : 0n,
        grants,
        consents: (await resolveHashes(known, grants)).map(toFact),
        ownerIdentityLive: owner !== undefined,
        requesterIdentityLive: requester?.ok ?? false,
      });
      return { ...key, ownerIdentity: ownerId === 0n ? null : ownerId.toString(), asOf, ...verdict };
    },

    /** The owner's grants on the chain, newest first, each with whether it was revoked. */
    async list(
      principal: Principal,
      query: {
        owner: string;
        dataHash?: string | undefined;
        productId?: string | undefined;
        cursor?: string | undefined;
        limit: number;
      },
    ) {
      await wallets.requireOwner(principal, query.owner);
      const answer = await gateway.permissions(query);
      const known = await consents.ofData(answer.data.map((row) => row.dataHash));
      const data = answer.data.map((row) => {
        const own = known.filter(
          (c) =>
            c.dataHash === row.dataHash && c.productId === row.productId && c.requesterId === row.requesterId,
        );
        const consent = own.find((c) => c.action === 'grant' && c.transactionHash === row.transactionHash);
        const blockTime = Date.parse(row.blockTime);
        const revoke = own.find(
          (c) =>
            c.action === 'revoke' &&
            (consent
              ? consent.seq < c.seq
              : blockTime <= c.recordedAt.getTime() ||
                (c.headBlock !== null && row.blockNumber <= c.headBlock)),
        );
        return {
          dataHash: row.dataHash,
          productId: row.productId,
          requesterId: row.requesterId,
          ownerIdentity: row.dataOwnerId,
          permissionHash: row.permissionHash,
          purpose: consent?.purpose ?? null,
          stage: row.stage,
          grantedAt: new Date(blockTime).toISOString(),
          revokedAt: revoke?.recordedAt.toISOString() ?? null,
          blockNumber: row.blockNumber,
          transactionHash: row.transactionHash,
        };
      });
      return { asOf: answer.asOf as AsOf, data, page: answer.page };
    },

    /**
     * Who could read what on a UTC day.
     * @param day `2026-01-31`
     */
    async readers(principal: Principal, owner: string, day: string) {
      await wallets.requireOwner(principal, owner);
      const start = Date.parse(day);
      const end = start + 86_400_000;
      const rows: GatewayPermission[] = [];
      let asOf: AsOf | undefined;
      let cursor: string | undefined;
      do {
        const answer = await gateway.permissions({ owner, limit: MAX_PAGE, ...(cursor ? { cursor } : {}) });
        asOf ??= answer.asOf;
        rows.push(...answer.data);
        cursor = answer.page.next ?? undefined;
      } while (cursor !== undefined && rows.length < MAX_READER_GRANTS);
      const [known, identity] = await Promise.all([
        consents.ofData(rows.map((row) => row.dataHash)),
        gateway.identity(owner),
      ]);
      const ended = new Map(identity.past.map((one) => [one.tokenId, one.destroyedAt]));
      const intervals = rows.map((row): GrantInterval => {
        const own = known
          .filter(
            (c) =>
              c.dataHash === row.dataHash &&
              c.productId === row.productId &&
              c.requesterId === row.requesterId,
          )
          .map(toFact);
        const grant = toGrant(row);
        const record = own.find((c) => c.action === 'grant' && c.transactionHash === grant.transactionHash);
        const burnt = ended.get(row.dataOwnerId);
        return {
          dataHash: row.dataHash,
          productId: row.productId,
          requesterId: row.requesterId,
          purpose: known.find((c) => c.seq === record?.seq)?.purpose ?? null,
          grantedAt: grant.blockTime,
          deadline:
            record?.expirationSeconds === null || record?.expirationSeconds === undefined
              ? undefined
              : grant.blockTime + Number(record.expirationSeconds) * 1000,
          revokedAt: revocationOf(grant, own)?.recordedAt,
          identityEndedAt: burnt ? Date.parse(burnt) : undefined,
        };
      });
      return { asOf: asOf as AsOf, day, data: readersOn(intervals, start, end) };
    },

    /** Consent records of an owner, newest first. */
    async history(
      principal: Principal,
      owner: string,
      before: number | undefined,
      limit: number,
    ): Promise<Consent[]> {
      await wallets.requireOwner(principal, owner);
      return consents.ofOwner(owner, before, limit);
    },
  };
}
