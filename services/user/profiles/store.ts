import { sql } from 'kysely';
import { affected, type Db, first, rows } from '../shared/database.ts';

export interface ProfileRow {
  readonly personId: string;
  readonly displayName: string | null;
  readonly locale: string;
  readonly timeZone: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const profileStore = {
  /** A new person with an empty profile. */
  async create(db: Db, input: { personId: string; ledgerId: string; now: Date }): Promise<void> {
    await sql`insert into people (id, ledger_id, created_at) values (${input.personId}, ${input.ledgerId}, ${input.now})`.execute(
      db,
    );
    await sql`insert into profiles (person_id, updated_at) values (${input.personId}, ${input.now})`.execute(
      db,
    );
    await sql`insert into inbox_streams (person_id) values (${input.personId})`.execute(db);
  },

  get(db: Db, personId: string): Promise<ProfileRow | undefined> {
    return first(
      db,
      sql<ProfileRow>`select p.person_id as "personId", p.display_name as "displayName", p.locale, p.time_zone as "timeZone",
          p.version, q.created_at as "createdAt", p.updated_at as "updatedAt"
        from profiles p join people q on q.id = p.person_id
        where p.person_id = ${personId} and q.erased_at is null`,
    );
  },

  /** @returns 0 when the version is not `expected` any more. */
  update(
    db: Db,
    personId: string,
    next: Pick<ProfileRow, 'displayName' | 'locale' | 'timeZone'>,
    expected: number,
    now: Date,
  ): Promise<number> {
    return affected(
      db,
      sql`update profiles set display_name = ${next.displayName}, locale = ${next.locale}, time_zone = ${next.timeZone},
          version = version + 1, updated_at = ${now}
        where person_id = ${personId} and version = ${expected}`,
    );
  },

  exists(db: Db, personId: string): Promise<boolean> {
    return first(db, sql`select 1 from people where id = ${personId} and erased_at is null`).then(
      (row) => row !== undefined,
    );
  },

  async timeZones(db: Db, personIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = await rows(
      db,
      sql<{
        person_id: string;
        time_zone: string;
      }>`select person_id, time_zone from profiles where person_id = any(${personIds}::uuid[])`,
    );
    return new Map(found.map((row) => [row.person_id, row.time_zone]));
  },

  /** The ledger numbers of people; the erased are left out. */
  async ledgerIds(db: Db, personIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = await rows(
      db,
      sql<{
        id: string;
        ledger_id: string;
      }>`select id, ledger_id from people where id = any(${personIds}::uuid[]) and ledger_id is not null`,
    );
    return new Map(found.map((row) => [row.id, row.ledger_id]));
  },
};
