import { sql } from 'kysely';
import { affected, type Db, first } from '../shared/database.ts';

export type NoncePurpose = 'login' | 'link' | 'step-up';

export interface NonceRow {
  readonly nonce: string;
  readonly purpose: NoncePurpose;
  readonly personId: string | null;
  readonly address: string | null;
  readonly expiresAt: Date;
}

/** Nonces: issued once, used once, forgotten after they expire. */
export const authStore = {
  async insertNonce(db: Db, row: NonceRow & { issuedAt: Date }): Promise<void> {
    await sql`insert into auth_nonces (nonce, purpose, person_id, address, issued_at, expires_at)
      values (${row.nonce}, ${row.purpose}, ${row.personId}, ${row.address}, ${row.issuedAt}, ${row.expiresAt})`.execute(
      db,
    );
  },

  /** Marks the nonce used; undefined when it is unknown, used, expired or meant for something else. One winner. */
  useNonce(db: Db, nonce: string, purpose: NoncePurpose, now: Date): Promise<NonceRow | undefined> {
    return first(
      db,
      sql<NonceRow>`update auth_nonces set used_at = ${now}
        where nonce = ${nonce} and purpose = ${purpose} and used_at is null and expires_at > ${now}
        returning nonce, purpose, person_id as "personId", address, expires_at as "expiresAt"`,
    );
  },

  /** @returns how many were removed, at most `limit`. */
  pruneNonces(db: Db, now: Date, limit = 5_000): Promise<number> {
    return affected(
      db,
      sql`delete from auth_nonces where ctid in (select ctid from auth_nonces where expires_at < ${now} limit ${limit})`,
    );
  },
};
