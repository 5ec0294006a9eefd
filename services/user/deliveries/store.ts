import { sql } from 'kysely';
import type { Channel } from '../preferences/schema.ts';
import { affected, type Db, first, rows } from '../shared/database.ts';

export type DeliveryKind = 'notice' | 'reverted' | 'code';

export interface DeliveryDraft {
  readonly id: string;
  readonly inboxId: string | null;
  readonly personId: string | null;
  readonly kind: DeliveryKind;
  readonly channel: Channel;
  readonly target: string;
  readonly priority: number;
  readonly state: 'waiting' | 'suppressed';
  readonly digest: boolean;
  readonly reason: string | null;
  readonly dueAt: Date;
  readonly sealedPayload?: string | null;
}

export interface DeliveryRow {
  readonly id: string;
  readonly inboxId: string | null;
  readonly personId: string | null;
  readonly kind: DeliveryKind;
  readonly channel: Channel;
  readonly target: string;
  readonly priority: number;
  readonly state: 'waiting' | 'sending' | 'delivered' | 'suppressed' | 'dead';
  readonly digest: boolean;
  readonly reason: string | null;
  readonly dueAt: Date;
  readonly claims: number;
  readonly attempts: number;
  readonly sealedPayload: string | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

export interface TargetRow {
  readonly id: string;
  readonly personId: string;
  readonly channel: 'push' | 'fcm' | 'webhook';
  readonly sealed: string;
  readonly description: string | null;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
  readonly disabledReason: string | null;
}

const columns =
  sql.raw(`id, inbox_id as "inboxId", person_id as "personId", kind, channel, target, priority, state, digest, reason,
  due_at as "dueAt", claims, attempts, sealed_payload as "sealedPayload", created_at as "createdAt", finished_at as "finishedAt"`);
const targetColumns =
  sql.raw(`id, person_id as "personId", channel, sealed, description, created_at as "createdAt",
  disabled_at as "disabledAt", disabled_reason as "disabledReason"`);

export const deliveryStore = {
  /** Plans deliveries; one that is planned already stays as it is. */
  async insert(db: Db, drafts: readonly DeliveryDraft[], now: Date): Promise<void> {
    if (drafts.length === 0) return;
    await sql`insert into deliveries (id, inbox_id, person_id, kind, channel, target, priority, state, digest, reason, due_at,
        sealed_payload, created_at, finished_at)
      select u.id, u.inbox_id, u.person_id, u.kind, u.channel, u.target, u.priority, u.state, u.digest, u.reason, u.due_at,
        u.sealed_payload, ${now}, case when u.state = 'suppressed' then ${now}::timestamptz end
      from unnest(${drafts.map((d) => d.id)}::uuid[], ${drafts.map((d) => d.inboxId)}::uuid[], ${drafts.map((d) => d.personId)}::uuid[],
        ${drafts.map((d) => d.kind)}::text[], ${drafts.map((d) => d.channel)}::text[], ${drafts.map((d) => d.target)}::text[],
        ${drafts.map((d) => d.priority)}::smallint[], ${drafts.map((d) => d.state)}::text[], ${drafts.map((d) => d.digest)}::boolean[],
        ${drafts.map((d) => d.reason)}::text[], ${drafts.map((d) => d.dueAt.toISOString())}::timestamptz[],
        ${drafts.map((d) => d.sealedPayload ?? null)}::text[])
        as u(id, inbox_id, person_id, kind, channel, target, priority, state, digest, reason, due_at, sealed_payload)
      on conflict do nothing`.execute(db);
  },

  /** Deliveries of notices that were taken back: the unsent are called off. @returns who had been told, and where. */
  async revertNotices(
    db: Db,
    inboxIds: readonly string[],
    now: Date,
  ): Promise<{ inboxId: string; channel: Channel; target: string }[]> {
    await sql`update deliveries set state = 'suppressed', reason = 'taken back before it was sent', finished_at = ${now}
      where inbox_id = any(${inboxIds}::uuid[]) and kind = 'notice' and state = 'waiting' and attempts = 0`.execute(
      db,
    );
    return rows(
      db,
      sql`select inbox_id as "inboxId", channel, target from deliveries
        where inbox_id = any(${inboxIds}::uuid[]) and kind = 'notice' and (state in ('delivered', 'sending') or attempts > 0)`,
    );
  },

  /**
   * Takes due deliveries of a channel for this worker until `leaseUntil`; a lease that ran out counts as due. The claim
   * number fences: a worker that comes back late finds another one and stands back.
   */
  claim(
    db: Db,
    channel: Channel,
    limit: number,
    now: Date,
    leaseUntil: Date,
  ): Promise<{ id: string; claims: number }[]> {
    return rows(
      db,
      sql`with fresh as materialized (
          select id from deliveries where channel = ${channel} and state = 'waiting' and not digest and due_at <= ${now}
          order by priority, due_at limit ${limit} for update skip locked),
        expired as materialized (
          select id from deliveries where channel = ${channel} and state = 'sending' and not digest and lease_until < ${now}
          order by lease_until limit ${limit} for update skip locked)
        update deliveries set state = 'sending', claims = claims + 1, lease_until = ${leaseUntil}
        where id in (select id from fresh union all select id from expired)
        returning id, claims`,
    );
  },

  get(db: Db, id: string): Promise<DeliveryRow | undefined> {
    return first(db, sql<DeliveryRow>`select ${columns} from deliveries where id = ${id}`);
  },

  /** Takes the due digest notices of up to `people` people; all of one person's together make one message. */
  claimDigests(
    db: Db,
    people: number,
    now: Date,
    leaseUntil: Date,
  ): Promise<{ id: string; claims: number; personId: string }[]> {
    return rows(
      db,
      sql`update deliveries set state = 'sending', claims = claims + 1, lease_until = ${leaseUntil}
        where id in (
          select d.id from deliveries d
          where d.digest and d.channel = 'email' and ((d.state = 'waiting' and d.due_at <= ${now}) or (d.state = 'sending' and d.lease_until < ${now}))
            and d.person_id in (select distinct person_id from deliveries
              where digest and channel = 'email' and ((state = 'waiting' and due_at <= ${now}) or (state = 'sending' and lease_until < ${now}))
              limit ${people})
          for update skip locked)
        returning id, claims, person_id as "personId"`,
    );
  },

  /** Records an attempt and what follows from it; nothing when the lease was lost meanwhile. @returns whether it counted. */
  async finish(
    db: Db,
    items: readonly { id: string; claims: number }[],
    outcome: {
      state: 'delivered' | 'dead' | 'waiting' | 'suppressed';
      reason: string | null;
      dueAt: Date | null;
      countAttempt: boolean;
      log: string;
      tookMs: number;
      now: Date;
    },
  ): Promise<number> {
    const { state, reason, dueAt, countAttempt, log, tookMs, now } = outcome;
    const final = state !== 'waiting';
    return affected(
      db,
      sql`with done as (
          update deliveries d set state = ${state}, reason = ${reason}, due_at = coalesce(${dueAt}::timestamptz, d.due_at), lease_until = null,
            attempts = d.attempts + ${countAttempt ? 1 : 0}, finished_at = case when ${final}::boolean then ${now}::timestamptz end,
            sealed_payload = case when ${state} = 'delivered' then null else d.sealed_payload end
          from unnest(${items.map((i) => i.id)}::uuid[], ${items.map((i) => i.claims)}::int[]) as u(id, claims)
          where d.id = u.id and d.claims = u.claims and d.state = 'sending'
          returning d.id)
        insert into delivery_attempts (delivery_id, at, outcome, detail, took_ms)
        select id, ${now}, ${state === 'waiting' ? 'retry' : state}, ${log}, ${tookMs} from done`,
    );
  },

  attempts(
    db: Db,
    ids: readonly string[],
  ): Promise<{ deliveryId: string; at: Date; outcome: string; detail: string; tookMs: number }[]> {
    return rows(
      db,
      sql`select delivery_id as "deliveryId", at, outcome, detail, took_ms as "tookMs" from delivery_attempts
        where delivery_id = any(${ids}::uuid[]) order by at`,
    );
  },

  ofInbox(db: Db, inboxId: string): Promise<DeliveryRow[]> {
    return rows(
      db,
      sql<DeliveryRow>`select ${columns} from deliveries where inbox_id = ${inboxId} order by created_at, channel`,
    );
  },

  ofPerson(db: Db, personId: string, limit: number): Promise<DeliveryRow[]> {
    return rows(
      db,
      sql<DeliveryRow>`select ${columns} from deliveries where person_id = ${personId} order by created_at desc limit ${limit}`,
    );
  },

  dead(
    db: Db,
    filter: { channel?: Channel | undefined; before: { at: Date; id: string } | undefined; limit: number },
  ): Promise<DeliveryRow[]> {
    return rows(
      db,
      sql<DeliveryRow>`select ${columns} from deliveries where state = 'dead'
          ${filter.channel ? sql`and channel = ${filter.channel}` : sql``}
          ${filter.before ? sql`and (finished_at, id) < (${filter.before.at}, ${filter.before.id}::uuid)` : sql``}
        order by finished_at desc, id desc limit ${filter.limit}`,
    );
  },

  /** Dead letters back to work, with all their tries again. */
  redrive(
    db: Db,
    filter: { id?: string | undefined; channel?: Channel | undefined },
    now: Date,
  ): Promise<number> {
    return affected(
      db,
      sql`update deliveries set state = 'waiting', attempts = 0, reason = 'redriven', due_at = ${now}, finished_at = null
        where state = 'dead' ${filter.id ? sql`and id = ${filter.id}` : sql``} ${filter.channel ? sql`and channel = ${filter.channel}` : sql``}`,
    );
  },

  async counts(db: Db): Promise<{ channel: string; state: string; n: number; oldest: Date | null }[]> {
    return rows(
      db,
      sql`select channel, state, count(*) as n, min(due_at) as oldest from deliveries
        where state in ('waiting', 'sending', 'dead') group by channel, state`,
    );
  },

  targetsOf(db: Db, personIds: readonly string[]): Promise<TargetRow[]> {
    return rows(
      db,
      sql<TargetRow>`select ${targetColumns} from delivery_targets where person_id = any(${personIds}::uuid[]) and disabled_at is null`,
    );
  },

  allTargets(db: Db, personId: string): Promise<TargetRow[]> {
    return rows(
      db,
      sql<TargetRow>`select ${targetColumns} from delivery_targets where person_id = ${personId} order by created_at, id`,
    );
  },

  target(db: Db, id: string): Promise<TargetRow | undefined> {
    return first(db, sql<TargetRow>`select ${targetColumns} from delivery_targets where id = ${id}`);
  },

  async putTarget(
    db: Db,
    t: {
      id: string;
      personId: string;
      channel: TargetRow['channel'];
      sealed: string;
      fingerprint: Buffer;
      description: string | null;
    },
    now: Date,
  ): Promise<TargetRow> {
    const row = await first(
      db,
      sql<TargetRow>`insert into delivery_targets (id, person_id, channel, sealed, fingerprint, description, created_at)
        values (${t.id}, ${t.personId}, ${t.channel}, ${t.sealed}, ${t.fingerprint}, ${t.description}, ${now})
        on conflict (fingerprint) do update set person_id = excluded.person_id, sealed = excluded.sealed,
          description = excluded.description, disabled_at = null, disabled_reason = null
        returning ${targetColumns}`,
    );
    return row as TargetRow;
  },

  async reseal(db: Db, id: string, sealed: string): Promise<void> {
    await sql`update delivery_targets set sealed = ${sealed} where id = ${id}`.execute(db);
  },

  disableTarget(db: Db, id: string, reason: string, now: Date): Promise<number> {
    return affected(
      db,
      sql`update delivery_targets set disabled_at = ${now}, disabled_reason = ${reason} where id = ${id} and disabled_at is null`,
    );
  },

  removeTarget(db: Db, personId: string, id: string): Promise<number> {
    return affected(db, sql`delete from delivery_targets where id = ${id} and person_id = ${personId}`);
  },

  async secret(db: Db, name: string): Promise<string | undefined> {
    return (await first(db, sql<{ sealed: string }>`select sealed from service_secrets where name = ${name}`))
      ?.sealed;
  },

  async putSecret(db: Db, name: string, sealed: string, now: Date): Promise<void> {
    await sql`insert into service_secrets (name, sealed, created_at) values (${name}, ${sealed}, ${now}) on conflict do nothing`.execute(
      db,
    );
  },
};
