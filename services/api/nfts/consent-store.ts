import { type Kysely, sql } from 'kysely';
import type { ApiDatabase } from '../database.ts';

export interface Consent {
  readonly seq: number;
  readonly id: string;
  readonly action: 'grant' | 'revoke';
  readonly owner: string;
  readonly dataHash: string;
  readonly productId: string;
  readonly requesterId: string;
  readonly purpose: string | null;
  readonly nonce: string | null;
  readonly expirationSeconds: string | null;
  readonly headBlock: number | null;
  readonly recordedBy: string;
  readonly recordedAt: Date;
  readonly transactionId: string | null;
  readonly transactionHash: string | null;
  /** Of a revocation, once it is on its way into the chain. */
  readonly anchorCommitment: string | null;
  readonly anchorSalt: string | null;
  readonly anchorTransactionId: string | null;
}

export interface PermissionKey {
  readonly dataHash: string;
  readonly productId: string;
  readonly requesterId: string;
}

type Db = Kysely<ApiDatabase>;
export type ConsentStore = ReturnType<typeof createConsentStore>;

/** SQL of consent records: added, read, never changed. */
export function createConsentStore(db: Db) {
  const select = () =>
    db
      .selectFrom('consent_records as c')
      .leftJoin('consent_transactions as t', 't.consent_id', 'c.id')
      .leftJoin('revocation_anchors as a', 'a.consent_id', 'c.id')
      .select([
        sql<number>`c.seq`.as('seq'),
        'c.id',
        'c.action',
        'c.owner',
        'c.data_hash as dataHash',
        'c.product_id as productId',
        'c.requester_id as requesterId',
        'c.purpose',
        'c.nonce',
        'c.expiration_seconds as expirationSeconds',
        sql<number | null>`c.head_block`.as('headBlock'),
        'c.recorded_by as recordedBy',
        'c.recorded_at as recordedAt',
        't.transaction_id as transactionId',
        't.transaction_hash as transactionHash',
        'a.commitment as anchorCommitment',
        'a.salt as anchorSalt',
        'a.transaction_id as anchorTransactionId',
      ]);

  return {
    /** Adds a record unless one with this id exists; either way it is there afterwards. */
    async add(
      on: Db,
      consent: Omit<
        Consent,
        | 'seq'
        | 'recordedAt'
        | 'transactionId'
        | 'transactionHash'
        | 'anchorCommitment'
        | 'anchorSalt'
        | 'anchorTransactionId'
      > & {
        signature: string | null;
      },
    ): Promise<void> {
      await on
        .insertInto('consent_records')
        .values({
          id: consent.id,
          action: consent.action,
          owner: consent.owner,
          data_hash: consent.dataHash,
          product_id: consent.productId,
          requester_id: consent.requesterId,
          purpose: consent.purpose,
          nonce: consent.nonce,
          expiration_seconds: consent.expirationSeconds,
          signature: consent.signature,
          head_block: consent.headBlock === null ? null : String(consent.headBlock),
          recorded_by: consent.recordedBy,
        })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute();
    },

    async find(id: string): Promise<Consent | undefined> {
      return select().where('c.id', '=', id).executeTakeFirst();
    },

    async setTransaction(consentId: string, transactionId: string, hash: string | null): Promise<void> {
      await db
        .insertInto('consent_transactions')
        .values({ consent_id: consentId, transaction_id: transactionId, transaction_hash: hash })
        .onConflict((conflict) =>
          conflict
            .column('consent_id')
            .doUpdateSet({ transaction_id: transactionId, transaction_hash: hash }),
        )
        .execute();
    },

    /** All records of one permission, oldest first. */
    async ofPermission(key: PermissionKey): Promise<Consent[]> {
      return select()
        .where('c.data_hash', '=', key.dataHash)
        .where('c.product_id', '=', key.productId)
        .where('c.requester_id', '=', key.requesterId)
        .orderBy('c.seq')
        .limit(1_000)
        .execute();
    },

    /** All records about many pieces of data of one owner, in one query. */
    async ofData(dataHashes: readonly string[]): Promise<Consent[]> {
      if (dataHashes.length === 0) return [];
      return select()
        .where('c.data_hash', 'in', [...new Set(dataHashes)])
        .orderBy('c.seq')
        .limit(10_000)
        .execute();
    },

    /** An owner's records, newest first, before the record `before`. */
    async ofOwner(owner: string, before: number | undefined, limit: number): Promise<Consent[]> {
      let query = select().where('c.owner', '=', owner).orderBy('c.seq', 'desc').limit(limit);
      if (before !== undefined) query = query.where(sql<boolean>`c.seq < ${before}`);
      return query.execute();
    },
  };
}
