import { sql } from 'kysely';
import { affected, type Db, first, rows } from '../shared/database.ts';

export type CodePurpose = 'login' | 'confirm' | 'step-up';

export interface EmailRow {
  readonly personId: string;
  readonly address: string;
  readonly confirmedAt: Date;
  readonly blockedAt: Date | null;
  readonly blockedReason: string | null;
}

export interface CodeRow {
  readonly id: string;
  readonly purpose: CodePurpose;
  readonly personId: string | null;
  readonly address: string;
  readonly codeHash: Buffer;
  readonly attempts: number;
  readonly expiresAt: Date;
  readonly usedAt: Date | null;
}

const emailColumns = sql.raw(
  `person_id as "personId", address, confirmed_at as "confirmedAt", blocked_at as "blockedAt", blocked_reason as "blockedReason"`,
);
const codeColumns = sql.raw(
  `id, purpose, person_id as "personId", address, code_hash as "codeHash", attempts, expires_at as "expiresAt", used_at as "usedAt"`,
);

export const emailStore = {
  ofPerson(db: Db, personId: string): Promise<EmailRow | undefined> {
    return first(
      db,
      sql<EmailRow>`select ${emailColumns} from email_addresses where person_id = ${personId}`,
    );
  },
  ofPeople(db: Db, personIds: readonly string[]): Promise<EmailRow[]> {
    return rows(
      db,
      sql<EmailRow>`select ${emailColumns} from email_addresses where person_id = any(${personIds}::uuid[])`,
    );
  },
  byAddress(db: Db, address: string): Promise<EmailRow | undefined> {
    return first(
      db,
      sql<EmailRow>`select ${emailColumns} from email_addresses where lower(address) = lower(${address})`,
    );
  },
  async put(db: Db, personId: string, address: string, now: Date): Promise<void> {
    await sql`insert into email_addresses (person_id, address, confirmed_at) values (${personId}, ${address}, ${now})
      on conflict (person_id) do update set address = excluded.address, confirmed_at = excluded.confirmed_at,
        blocked_at = null, blocked_reason = null`.execute(db);
  },
  remove(db: Db, personId: string): Promise<number> {
    return affected(db, sql`delete from email_addresses where person_id = ${personId}`);
  },
  block(db: Db, address: string, reason: string, now: Date): Promise<number> {
    return affected(
      db,
      sql`update email_addresses set blocked_at = ${now}, blocked_reason = ${reason}
        where lower(address) = lower(${address}) and blocked_at is null`,
    );
  },
  async insertCode(db: Db, row: Omit<CodeRow, 'attempts' | 'usedAt'>, now: Date): Promise<void> {
    await sql`insert into email_codes (id, purpose, person_id, address, code_hash, created_at, expires_at)
      values (${row.id}, ${row.purpose}, ${row.personId}, ${row.address}, ${row.codeHash}, ${now}, ${row.expiresAt})`.execute(
      db,
    );
  },
  lockCode(db: Db, id: string): Promise<CodeRow | undefined> {
    return first(db, sql<CodeRow>`select ${codeColumns} from email_codes where id = ${id} for update`);
  },
  async countAttempt(db: Db, id: string): Promise<void> {
    await sql`update email_codes set attempts = attempts + 1 where id = ${id}`.execute(db);
  },
  async useCode(db: Db, id: string, now: Date): Promise<void> {
    await sql`update email_codes set used_at = ${now} where id = ${id}`.execute(db);
  },
  pruneCodes(db: Db, now: Date, limit = 5_000): Promise<number> {
    return affected(
      db,
      sql`delete from email_codes where ctid in (select ctid from email_codes where expires_at < ${now} limit ${limit})`,
    );
  },
};
