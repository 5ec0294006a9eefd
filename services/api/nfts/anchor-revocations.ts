import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Logger } from '../../../lib/log.ts';
import type { Postgres } from '../../../lib/postgres.ts';
import type { Random } from '../../../lib/random.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { ApiDatabase } from '../database.ts';

/**
 * The public proof that a revocation was recorded by a certain time: a commitment to it in the attestation contract
 * (EAS `multiTimestamp`). Salted, so that nobody can guess what it stands for; when the salt is destroyed it stands for
 * nothing any more. The revocation itself counts from the moment it is recorded, with or without this.
 */
export interface RevocationAnchorTable {
  consent_id: string;
  batch_id: string;
  /** Hexadecimal; null when it was destroyed. */
  salt: string | null;
  commitment: string;
  transaction_id: string | null;
}

export const revocationAnchorsSql = `
CREATE TABLE revocation_anchors (
  consent_id text PRIMARY KEY REFERENCES consent_records (id),
  batch_id text NOT NULL,
  salt text,
  commitment text NOT NULL UNIQUE,
  transaction_id text
);
CREATE INDEX revocation_anchors_open ON revocation_anchors (batch_id) WHERE transaction_id IS NULL;
`;

/** One transaction carries this many: 30,000 gas each. */
const BATCH = 50;
/** Any number that no other advisory lock of this schema uses. */
const LOCK = 7_041_001;

interface Revocation {
  readonly id: string;
  readonly owner: string;
  readonly dataHash: string;
  readonly productId: string;
  readonly requesterId: string;
  readonly recordedAt: string;
}

/** SHA-256 of the salt's bytes and the record as JSON, members in this order: anybody can check it. */
export function commitmentOf(salt: string, revocation: Revocation): string {
  const { id, owner, dataHash, productId, requesterId, recordedAt } = revocation;
  const json = JSON.stringify({ id, owner, dataHash, productId, requesterId, recordedAt });
  return `0x${createHash('sha256')
    .update(Buffer.from(salt.slice(2), 'hex'))
    .update(json)
    .digest('hex')}`;
}

export type RevocationAnchors = ReturnType<typeof createRevocationAnchors>;

export function createRevocationAnchors(deps: {
  postgres: Pick<Postgres<ApiDatabase>, 'db' | 'transaction'>;
  gateway: Pick<Gateway, 'submit'>;
  contracts: Pick<Contracts, 'has'>;
  random: Pick<Random, 'bytes' | 'uuid'>;
  /** Pool of keys that pays for it. */
  signer: string;
  log: Logger;
}) {
  const { postgres, gateway, contracts, random, signer, log } = deps;
  const { db } = postgres;

  /** Fixes which revocations go together, before anything is sent: a crash repeats the same batch. */
  async function gather(): Promise<void> {
    await postgres.transaction(async (trx) => {
      await sql`SELECT pg_advisory_xact_lock(${LOCK})`.execute(trx);
      const rows = await trx
        .selectFrom('consent_records as c')
        .leftJoin('revocation_anchors as a', 'a.consent_id', 'c.id')
        .select([
          'c.id',
          'c.owner',
          'c.data_hash as dataHash',
          'c.product_id as productId',
          'c.requester_id as requesterId',
          'c.recorded_at as recordedAt',
        ])
        .where('c.action', '=', 'revoke')
        .where('a.consent_id', 'is', null)
        .orderBy('c.seq')
        .limit(BATCH)
        .execute();
      if (rows.length === 0) return;
      const batch = random.uuid();
      await trx
        .insertInto('revocation_anchors')
        .values(
          rows.map((row) => {
            const salt = `0x${Buffer.from(random.bytes(32)).toString('hex')}`;
            return {
              consent_id: row.id,
              batch_id: batch,
              salt,
              commitment: commitmentOf(salt, { ...row, recordedAt: row.recordedAt.toISOString() }),
              transaction_id: null,
            };
          }),
        )
        .execute();
    });
  }

  return {
    /** Anchors what is not anchored yet; safe to run anywhere at any time. */
    async settle(): Promise<void> {
      if (!contracts.has('EAS')) return;
      await gather();
      const open = await db
        .selectFrom('revocation_anchors')
        .select(['batch_id as batch', 'commitment'])
        .where('transaction_id', 'is', null)
        .orderBy('batch_id')
        .orderBy('consent_id')
        .limit(BATCH * 4)
        .execute();
      for (const [batch, rows] of Map.groupBy(open, (row) => row.batch)) {
        try {
          const { id } = await gateway.submit(
            {
              signer,
              contract: 'EAS',
              function: 'multiTimestamp',
              args: [rows.map((row) => row.commitment)],
              purpose: 'revocation-anchor',
              requestedBy: 'service:api',
            },
            `anchor:${batch}`,
          );
          await db
            .updateTable('revocation_anchors')
            .set({ transaction_id: id })
            .where('batch_id', '=', batch)
            .execute();
        } catch (err) {
          log.warn({ err, batch }, 'revocations could not be anchored yet');
        }
      }
    },
  };
}
