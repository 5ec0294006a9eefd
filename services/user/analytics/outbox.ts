import { createHmac } from 'node:crypto';
import { sql } from 'kysely';
import { type Db, rows, type UserPostgres } from '../shared/database.ts';

/** A domain event as analytics get it: who is a pseudonym, and only of people who agreed. */
export interface AnalyticsEvent {
  readonly id: number;
  readonly subject: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly at: string;
}

/** Where domain events go; several can exist, one is chosen by configuration. */
export interface AnalyticsSink {
  /** Resolves when the events are kept. They come again when it rejects: the ids tell repetitions. */
  write(events: readonly AnalyticsEvent[], signal: AbortSignal): Promise<void>;
}

export interface Analytics {
  /** Notes what happened to people, within the transaction in which it happened. */
  record(
    trx: Db,
    events: readonly { personId: string; type: string; data: Record<string, unknown>; at: Date }[],
  ): Promise<void>;
  /** Hands over what was noted. @returns true when there is more. */
  flush(signal: AbortSignal): Promise<boolean>;
}

const BATCH = 500;

export function createAnalytics(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  sink: AnalyticsSink | undefined;
  /** Makes pseudonyms; whoever lacks it cannot lead them back to people. */
  pepper: string;
  consents: (db: Db, personIds: readonly string[]) => Promise<ReadonlySet<string>>;
}): Analytics {
  const { postgres, sink, pepper, consents } = deps;
  const pseudonym = (personId: string): string =>
    createHmac('sha256', pepper).update(`analytics\n${personId}`).digest('base64url').slice(0, 22);
  return {
    async record(trx, events) {
      if (!sink || events.length === 0) return;
      const agreed = await consents(trx, [...new Set(events.map((e) => e.personId))]);
      const kept = events.filter((e) => agreed.has(e.personId));
      if (kept.length === 0) return;
      await sql`insert into analytics_outbox (subject, type, data, occurred_at)
        select * from unnest(${kept.map((e) => pseudonym(e.personId))}::text[], ${kept.map((e) => e.type)}::text[],
          ${kept.map((e) => JSON.stringify(e.data))}::jsonb[], ${kept.map((e) => e.at.toISOString())}::timestamptz[])`.execute(
        trx,
      );
    },
    async flush(signal) {
      if (!sink) return false;
      return postgres.transaction(async (trx) => {
        const found = await rows(
          trx,
          sql<{
            id: number;
            subject: string;
            type: string;
            data: Record<string, unknown>;
            at: Date;
          }>`delete from analytics_outbox where id in
              (select id from analytics_outbox order by id limit ${BATCH} for update skip locked)
            returning id, subject, type, data, occurred_at as at`,
        );
        if (found.length === 0) return false;
        const ordered = found.sort((a, b) => a.id - b.id);
        // A refusal rolls the deletion back: the events stay.
        await sink.write(
          ordered.map((e) => ({ ...e, at: e.at.toISOString() })),
          AbortSignal.any([signal, AbortSignal.timeout(8_000)]),
        );
        return found.length === BATCH;
      });
    },
  };
}
