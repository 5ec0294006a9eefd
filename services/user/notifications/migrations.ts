import type { Migration } from '../../../lib/migrate.ts';

export const notificationMigrations: readonly Migration[] = [
  {
    id: '0008-inbox',
    sql: `
-- Positions of one person's inbox are handed out under this row's lock: they become visible in their own order,
-- so a reader who has seen n can never miss a smaller one that commits later.
create table inbox_streams (
  person_id uuid primary key references people (id) on delete cascade,
  last_position bigint not null default 0
);
create table inbox (
  id uuid primary key,
  person_id uuid not null references people (id) on delete cascade,
  event_key text not null,
  position bigint not null,
  type text not null,
  stage text not null check (stage in ('pending', 'confirmed', 'finalized', 'reverted')),
  priority smallint not null default 1,
  data jsonb not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  read_at timestamptz,
  archived_at timestamptz,
  unique (person_id, event_key)
);
create unique index inbox_position on inbox (person_id, position);
create index inbox_list on inbox (person_id, created_at desc, id desc) where archived_at is null;
create index inbox_unread on inbox (person_id) where read_at is null and archived_at is null;`,
  },
];
