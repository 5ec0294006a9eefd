import { sql } from 'kysely';
import { affected, type Db, first, rows } from '../shared/database.ts';

export interface PreferencesRow {
  readonly personId: string;
  readonly version: number;
  readonly settings: unknown;
  readonly updatedAt: Date;
}

const columns = sql.raw(`person_id as "personId", version, settings, updated_at as "updatedAt"`);

export const preferenceStore = {
  get(db: Db, personId: string): Promise<PreferencesRow | undefined> {
    return first(db, sql<PreferencesRow>`select ${columns} from preferences where person_id = ${personId}`);
  },

  many(db: Db, personIds: readonly string[]): Promise<PreferencesRow[]> {
    return rows(
      db,
      sql<PreferencesRow>`select ${columns} from preferences where person_id = any(${personIds}::uuid[])`,
    );
  },

  /** Replaces the settings. @returns 0 when `expected` is given and is not the current version (0: none stored). */
  put(db: Db, personId: string, settings: unknown, expected: number | undefined, now: Date): Promise<number> {
    const json = JSON.stringify(settings);
    if (expected === 0) {
      return affected(
        db,
        sql`insert into preferences (person_id, settings, updated_at) values (${personId}, ${json}::jsonb, ${now})
          on conflict do nothing`,
      );
    }
    if (expected !== undefined) {
      return affected(
        db,
        sql`update preferences set settings = ${json}::jsonb, version = version + 1, updated_at = ${now}
          where person_id = ${personId} and version = ${expected}`,
      );
    }
    return affected(
      db,
      sql`insert into preferences (person_id, settings, updated_at) values (${personId}, ${json}::jsonb, ${now})
        on conflict (person_id) do update
        set settings = excluded.settings, version = preferences.version + 1, updated_at = excluded.updated_at`,
    );
  },
};
