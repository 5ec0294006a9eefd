import { sql } from 'kysely';
import type { Clock } from '../../../lib/time.ts';
import { affected, type Db, first, rows, type UserPostgres } from '../shared/database.ts';
import { type Difference, differences } from './rollout.ts';

/** The old service, as far as the move needs it. */
export interface LegacyService {
  read(legacyId: string): Promise<unknown>;
  write(legacyId: string, what: string, body: unknown): Promise<void>;
}

export interface DualWrite {
  /** Notes a write for the old service, in the transaction of the write itself. People it never knew are left out. */
  note(trx: Db, personId: string, what: string, body: unknown): Promise<void>;
  /** Brings the old service up to date. @returns true when there is more. */
  flush(): Promise<boolean>;
  /** Compares both for some people. */
  reconcile(
    limit: number,
    current: (personId: string) => Promise<unknown>,
  ): Promise<{ compared: number; differing: { legacyId: string; found: Difference[] }[] }>;
  /** 0: the old service knows everything, and going back loses nothing. */
  pending(): Promise<number>;
}

const BATCH = 100;
const MAX_WAIT_MS = 300_000;

export function createDualWrite(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  legacy: LegacyService;
  clock: Pick<Clock, 'now'>;
  retryFirstMs: number;
}): DualWrite {
  const { postgres, legacy, clock, retryFirstMs } = deps;
  return {
    async note(trx, personId, what, body) {
      await sql`insert into legacy_outbox (legacy_id, what, body, due_at)
        select legacy_id, ${what}, ${JSON.stringify(body)}::jsonb, ${new Date(clock.now())} from legacy_people where person_id = ${personId}`.execute(
        trx,
      );
    },
    flush: () =>
      postgres.transaction(async (trx) => {
        // The oldest write of each person first: a later one must not overtake it.
        const due = await rows(
          trx,
          sql<{
            id: number;
            legacy_id: string;
            what: string;
            body: unknown;
            attempts: number;
          }>`select id, legacy_id, what, body, attempts from legacy_outbox o
            where due_at <= ${new Date(clock.now())} and not exists (select 1 from legacy_outbox p where p.legacy_id = o.legacy_id and p.id < o.id)
            order by id limit ${BATCH} for update skip locked`,
        );
        for (const item of due) {
          try {
            await legacy.write(item.legacy_id, item.what, item.body);
            await affected(trx, sql`delete from legacy_outbox where id = ${item.id}`);
          } catch (error) {
            if (!(error instanceof Error)) throw error;
            const wait = Math.min(MAX_WAIT_MS, retryFirstMs * 2 ** item.attempts);
            await affected(
              trx,
              sql`update legacy_outbox set attempts = attempts + 1, due_at = ${new Date(clock.now() + wait)} where id = ${item.id}`,
            );
          }
        }
        return due.length > 0;
      }),
    async reconcile(limit, current) {
      const people = await rows(
        postgres.db,
        sql<{
          legacy_id: string;
          person_id: string;
        }>`select legacy_id, person_id from legacy_people order by random() limit ${limit}`,
      );
      const differing: { legacyId: string; found: Difference[] }[] = [];
      for (const { legacy_id, person_id } of people) {
        const found = differences(await legacy.read(legacy_id), await current(person_id));
        if (found.length > 0) differing.push({ legacyId: legacy_id, found });
      }
      return { compared: people.length, differing };
    },
    async pending() {
      return (await first(postgres.db, sql<{ n: number }>`select count(*) as n from legacy_outbox`))?.n ?? 0;
    },
  };
}
