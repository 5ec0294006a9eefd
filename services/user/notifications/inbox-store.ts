import { sql } from 'kysely';
import type { Stage } from '../gateway/schemas.ts';
import { affected, type Db, first, rows } from '../shared/database.ts';

export interface InboxRow {
  readonly id: string;
  readonly personId: string;
  readonly eventKey: string;
  readonly position: number;
  readonly type: string;
  readonly stage: Stage;
  readonly priority: number;
  readonly data: Readonly<Record<string, unknown>>;
  readonly occurredAt: Date;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly readAt: Date | null;
  readonly archivedAt: Date | null;
}

const columns =
  sql.raw(`i.id, i.person_id as "personId", i.event_key as "eventKey", i.position, i.type, i.stage, i.priority, i.data,
  i.occurred_at as "occurredAt", i.created_at as "createdAt", i.updated_at as "updatedAt", i.read_at as "readAt",
  i.archived_at as "archivedAt"`);

/** The channel on which a commit tells that inboxes changed; only a hint, readers poll as well. */
export const INBOX_HINT = 'user_inbox';
/** Person ids per hint: Postgres allows payloads below 8000 bytes, an id and its comma take 37. */
const IDS_PER_HINT = 200;

export const inboxStore = {
  /** Hands out `count` positions to each person; their rows stay locked until the commit. @returns the last one of each. */
  async takePositions(db: Db, counts: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    const people = [...counts.keys()].sort();
    const taken = await rows(
      db,
      sql<{
        person_id: string;
        last_position: number;
      }>`insert into inbox_streams as s (person_id, last_position)
        select * from unnest(${people}::uuid[], ${people.map((p) => counts.get(p) ?? 0)}::bigint[])
        on conflict (person_id) do update set last_position = s.last_position + excluded.last_position
        returning person_id, last_position`,
    );
    return new Map(taken.map((row) => [row.person_id, row.last_position]));
  },

  stagesOf(
    db: Db,
    keys: readonly { personId: string; eventKey: string }[],
  ): Promise<{ personId: string; eventKey: string; stage: Stage }[]> {
    return rows(
      db,
      sql`select i.person_id as "personId", i.event_key as "eventKey", i.stage
        from unnest(${keys.map((k) => k.personId)}::uuid[], ${keys.map((k) => k.eventKey)}::text[]) as w(person_id, event_key)
        join inbox i on i.person_id = w.person_id and i.event_key = w.event_key`,
    );
  },

  async insert(
    db: Db,
    items: readonly Pick<
      InboxRow,
      'id' | 'personId' | 'eventKey' | 'position' | 'type' | 'stage' | 'priority' | 'data' | 'occurredAt'
    >[],
    now: Date,
  ): Promise<void> {
    await sql`insert into inbox (id, person_id, event_key, position, type, stage, priority, data, occurred_at, created_at, updated_at)
      select u.id, u.person_id, u.event_key, u.position, u.type, u.stage, u.priority, u.data, u.occurred_at, ${now}, ${now}
      from unnest(${items.map((i) => i.id)}::uuid[], ${items.map((i) => i.personId)}::uuid[], ${items.map((i) => i.eventKey)}::text[],
        ${items.map((i) => i.position)}::bigint[], ${items.map((i) => i.type)}::text[], ${items.map((i) => i.stage)}::text[],
        ${items.map((i) => i.priority)}::smallint[], ${items.map((i) => JSON.stringify(i.data))}::jsonb[],
        ${items.map((i) => i.occurredAt.toISOString())}::timestamptz[])
        as u(id, person_id, event_key, position, type, stage, priority, data, occurred_at)`.execute(db);
  },

  /** Moves rows to a new stage; `announce` makes a row unread again. @returns the rows as they are now. */
  restage(
    db: Db,
    items: readonly {
      personId: string;
      eventKey: string;
      stage: Stage;
      position: number;
      announce: boolean;
    }[],
    now: Date,
  ): Promise<InboxRow[]> {
    return rows(
      db,
      sql<InboxRow>`update inbox i set stage = u.stage, position = u.position, updated_at = ${now},
          read_at = case when u.announce then null else i.read_at end,
          archived_at = case when u.announce then null else i.archived_at end
        from unnest(${items.map((i) => i.personId)}::uuid[], ${items.map((i) => i.eventKey)}::text[], ${items.map((i) => i.stage)}::text[],
          ${items.map((i) => i.position)}::bigint[], ${items.map((i) => i.announce)}::boolean[])
          as u(person_id, event_key, stage, position, announce)
        where i.person_id = u.person_id and i.event_key = u.event_key returning ${columns}`,
    );
  },

  async hint(db: Db, personIds: Iterable<string>): Promise<void> {
    const ids = [...personIds];
    for (let i = 0; i < ids.length; i += IDS_PER_HINT)
      await sql`select pg_notify(${INBOX_HINT}, ${ids.slice(i, i + IDS_PER_HINT).join(',')})`.execute(db);
  },

  list(
    db: Db,
    personId: string,
    filter: {
      before: { createdAt: Date; id: string } | undefined;
      unreadOnly: boolean;
      archived: boolean;
      limit: number;
    },
  ): Promise<InboxRow[]> {
    const { before, unreadOnly, archived, limit } = filter;
    return rows(
      db,
      sql<InboxRow>`select ${columns} from inbox i where i.person_id = ${personId}
          and ${archived ? sql`i.archived_at is not null` : sql`i.archived_at is null`}
          ${unreadOnly ? sql`and i.read_at is null` : sql``}
          ${before ? sql`and (i.created_at, i.id) < (${before.createdAt}, ${before.id}::uuid)` : sql``}
        order by i.created_at desc, i.id desc limit ${limit}`,
    );
  },

  get(db: Db, personId: string, id: string): Promise<InboxRow | undefined> {
    return first(
      db,
      sql<InboxRow>`select ${columns} from inbox i where i.person_id = ${personId} and i.id = ${id}`,
    );
  },

  async unreadCount(db: Db, personId: string): Promise<number> {
    const row = await first(
      db,
      sql<{
        n: number;
      }>`select count(*) as n from inbox where person_id = ${personId} and read_at is null and archived_at is null`,
    );
    return row?.n ?? 0;
  },

  /** Sets or clears a mark; @returns 0 when the row is not there or has it already. */
  mark(
    db: Db,
    personId: string,
    id: string,
    mark: 'read_at' | 'archived_at',
    at: Date | null,
    position: number,
  ): Promise<number> {
    const column = sql.ref(mark);
    return affected(
      db,
      sql`update inbox set ${column} = ${at}, position = ${position}
        where person_id = ${personId} and id = ${id} and (${column} is null) = ${at !== null}`,
    );
  },

  markAllRead(db: Db, personId: string, at: Date): Promise<number> {
    return affected(
      db,
      sql`update inbox set read_at = ${at} where person_id = ${personId} and read_at is null and archived_at is null`,
    );
  },

  /** What came after each person's position, at most `limit` rows each, in one query for all of them. */
  since(
    db: Db,
    wanted: readonly { personId: string; position: number }[],
    limit: number,
  ): Promise<InboxRow[]> {
    return rows(
      db,
      sql<InboxRow>`select ${columns}
        from unnest(${wanted.map((w) => w.personId)}::uuid[], ${wanted.map((w) => w.position)}::bigint[]) as w(person_id, position)
        cross join lateral (select * from inbox x where x.person_id = w.person_id and x.position > w.position
          order by x.position limit ${limit}) i
        order by i.person_id, i.position`,
    );
  },

  /** The last position of each person who has one. */
  async lastPositions(db: Db, personIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const found = await rows(
      db,
      sql<{ person_id: string; last_position: number }>`select person_id, last_position from inbox_streams
        where person_id = any(${personIds}::uuid[])`,
    );
    return new Map(found.map((row) => [row.person_id, row.last_position]));
  },
};

/** Which of the events a person has an inbox row for. */
export async function toldKeys(
  db: Db,
  personId: string,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  if (keys.length === 0) return new Set();
  const found = await rows(
    db,
    sql<{
      event_key: string;
    }>`select event_key from inbox where person_id = ${personId} and event_key = any(${keys}::text[])`,
  );
  return new Set(found.map((row) => row.event_key));
}

/** Inbox rows by id, the oldest first; for channels that render them. */
export function inboxByIds(db: Db, ids: readonly string[]): Promise<InboxRow[]> {
  return rows(
    db,
    sql<InboxRow>`select ${columns} from inbox i where i.id = any(${ids}::uuid[]) order by i.occurred_at, i.id`,
  );
}
