import { AppError } from '../../../lib/errors.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import { changedSince } from '../shared/etag.ts';
import type { ProfileRow, profileStore } from './store.ts';

export interface ProfileChange {
  readonly displayName?: string | null | undefined;
  readonly locale?: string | undefined;
  readonly timeZone?: string | undefined;
}

export interface Profiles {
  /** Makes a person. @returns her id, opaque and stable. */
  create(trx: Db): Promise<string>;
  /** @throws AppError `not_found` */
  get(personId: string): Promise<ProfileRow>;
  exists(personId: string): Promise<boolean>;
  /** @throws AppError `precondition_failed` when `ifVersion` is given and not the current version. */
  change(personId: string, change: ProfileChange, ifVersion: number | undefined): Promise<ProfileRow>;
}

/** Without If-Match two writers may meet; the later one applies its change to what the earlier one left. */
const MERGE_ATTEMPTS = 5;

export function createProfiles(deps: {
  postgres: Pick<UserPostgres, 'db'>;
  store: typeof profileStore;
  clock: Pick<Clock, 'now'>;
  random: Random;
}): Profiles {
  const { postgres, store, clock, random } = deps;
  const get = async (personId: string): Promise<ProfileRow> => {
    const row = await store.get(postgres.db, personId);
    if (!row) throw new AppError('not_found', 'There is no such person.');
    return row;
  };
  return {
    async create(trx) {
      const personId = random.uuid();
      await store.create(trx, { personId, ledgerId: random.uuid(), now: new Date(clock.now()) });
      return personId;
    },
    get,
    exists: (personId) => store.exists(postgres.db, personId),
    async change(personId, change, ifVersion) {
      for (let attempt = 1; ; attempt++) {
        const row = await get(personId);
        if (ifVersion !== undefined && row.version !== ifVersion) throw changedSince(row.version);
        const next = {
          displayName: change.displayName === undefined ? row.displayName : change.displayName,
          locale: change.locale ?? row.locale,
          timeZone: change.timeZone ?? row.timeZone,
        };
        const changed = await store.update(postgres.db, personId, next, row.version, new Date(clock.now()));
        if (changed > 0) return get(personId);
        if (attempt >= MERGE_ATTEMPTS) throw changedSince(row.version + 1);
      }
    },
  };
}
