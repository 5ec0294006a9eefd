import { sql } from 'kysely';
import type { Db } from '../database.ts';

export interface UsageCount {
  readonly principal: string;
  readonly day: string;
  readonly operationId: string;
  readonly statusClass: number;
  readonly requests: number;
  readonly durationMs: number;
}

export interface LoggedRequest {
  readonly at: Date;
  readonly requestId: string;
  readonly principal: string;
  readonly credential: string | null;
  readonly operationId: string;
  readonly status: number;
  readonly durationMs: number;
}

export type UsageStore = ReturnType<typeof createUsageStore>;

/** SQL of usage and the request log. */
export function createUsageStore(db: Db) {
  return {
    async addCounts(counts: readonly UsageCount[]): Promise<void> {
      if (counts.length === 0) return;
      await db
        .insertInto('usage_daily')
        .values(
          counts.map((count) => ({
            principal: count.principal,
            day: count.day,
            operation_id: count.operationId,
            status_class: count.statusClass,
            requests: count.requests,
            duration_ms: count.durationMs,
          })),
        )
        .onConflict((conflict) =>
          conflict.columns(['principal', 'day', 'operation_id', 'status_class']).doUpdateSet({
            requests: sql`usage_daily.requests + excluded.requests`,
            duration_ms: sql`usage_daily.duration_ms + excluded.duration_ms`,
          }),
        )
        .execute();
    },

    async addToLog(requests: readonly LoggedRequest[]): Promise<void> {
      if (requests.length === 0) return;
      await db
        .insertInto('request_log')
        .values(
          requests.map((r) => ({
            at: r.at,
            request_id: r.requestId,
            principal: r.principal,
            credential: r.credential,
            operation_id: r.operationId,
            status: r.status,
            duration_ms: r.durationMs,
          })),
        )
        .execute();
    },

    /** Requests from a UTC day (inclusive) on. */
    async countSince(principal: string, day: string): Promise<number> {
      const row = await db
        .selectFrom('usage_daily')
        .select(sql<number>`coalesce(sum(requests), 0)::bigint`.as('requests'))
        .where('principal', '=', principal)
        .where('day', '>=', day)
        .executeTakeFirstOrThrow();
      return Number(row.requests);
    },

    async byDay(principal: string, from: string, to: string) {
      const rows = await db
        .selectFrom('usage_daily')
        .select([
          sql<string>`day::text`.as('day'),
          'operation_id as operationId',
          sql<number>`sum(requests)::bigint`.as('requests'),
          sql<number>`(sum(requests) filter (where status_class >= 4))::bigint`.as('failed'),
          sql<number>`sum(duration_ms)::bigint`.as('durationMs'),
        ])
        .where('principal', '=', principal)
        .where('day', '>=', from)
        .where('day', '<=', to)
        .groupBy(['day', 'operation_id'])
        .orderBy('day', 'desc')
        .orderBy('operation_id')
        .limit(5_000)
        .execute();
      return rows.map((row) => ({
        day: row.day,
        operationId: row.operationId,
        requests: Number(row.requests),
        failed: Number(row.failed ?? 0),
        averageMs: Number(row.requests) === 0 ? 0 : Math.round(Number(row.durationMs) / Number(row.requests)),
      }));
    },

    async isOptedOut(principal: string): Promise<boolean> {
      const row = await db
        .selectFrom('analytics_opt_outs')
        .select('principal')
        .where('principal', '=', principal)
        .executeTakeFirst();
      return row !== undefined;
    },
    async setOptOut(principal: string, optOut: boolean): Promise<void> {
      if (optOut) {
        await db
          .insertInto('analytics_opt_outs')
          .values({ principal })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      } else await db.deleteFrom('analytics_opt_outs').where('principal', '=', principal).execute();
    },
  };
}
