import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import { changedSince } from '../shared/etag.ts';
import { defaultPreferences, type Preferences, preferencesSchema } from './schema.ts';
import type { preferenceStore } from './store.ts';

export interface VersionedPreferences {
  /** 0 until the person chose something. */
  readonly version: number;
  readonly settings: Preferences;
}

export interface PreferenceService {
  get(personId: string): Promise<VersionedPreferences>;
  /** @throws AppError `precondition_failed` */
  put(personId: string, settings: Preferences, ifVersion: number | undefined): Promise<VersionedPreferences>;
  /** For a batch of people within a transaction; everybody has an entry. */
  many(db: Db, personIds: readonly string[]): Promise<ReadonlyMap<string, Preferences>>;
}

/** Stored settings of an older release lack newer fields, and may hold some that are gone: defaults fill in. */
const read = (stored: unknown): Preferences => {
  const parsed = preferencesSchema.safeParse(stored);
  return parsed.success ? parsed.data : defaultPreferences;
};

export function createPreferences(deps: {
  postgres: Pick<UserPostgres, 'db'>;
  store: typeof preferenceStore;
  clock: Pick<Clock, 'now'>;
}): PreferenceService {
  const { postgres, store, clock } = deps;
  const get = async (personId: string): Promise<VersionedPreferences> => {
    const row = await store.get(postgres.db, personId);
    return { version: row?.version ?? 0, settings: row ? read(row.settings) : defaultPreferences };
  };
  return {
    get,
    async put(personId, settings, ifVersion) {
      const changed = await store.put(postgres.db, personId, settings, ifVersion, new Date(clock.now()));
      if (changed === 0) throw changedSince((await get(personId)).version);
      return get(personId);
    },
    async many(db, personIds) {
      const stored = new Map(
        (await store.many(db, personIds)).map((row) => [row.personId, read(row.settings)]),
      );
      return new Map(personIds.map((id) => [id, stored.get(id) ?? defaultPreferences]));
    },
  };
}
