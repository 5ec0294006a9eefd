import type { Migration } from '../../../lib/migrate.ts';

export const migrationMigrations: readonly Migration[] = [
  {
    id: '0017-import',
    sql: `
-- Who somebody was in the old service; the same row is imported once, however often a file is.
create table legacy_people (
  legacy_id text primary key,
  person_id uuid not null references people (id) on delete cascade,
  row_hash bytea not null,
  imported_at timestamptz not null
);
create index legacy_people_person on legacy_people (person_id);
create table import_runs (
  id uuid primary key,
  file_hash text not null unique,
  lines_done integer not null default 0,
  imported integer not null default 0,
  unchanged integer not null default 0,
  faulty integer not null default 0,
  started_at timestamptz not null,
  finished_at timestamptz
);
create table import_faults (
  run_id uuid not null references import_runs (id) on delete cascade,
  line integer not null,
  legacy_id text,
  field text not null,
  detail text not null,
  primary key (run_id, line, field, detail)
);
-- Writes that the old service has to learn of while both run; what makes going back possible.
create table legacy_outbox (
  id bigint generated always as identity primary key,
  legacy_id text not null,
  what text not null,
  body jsonb not null,
  due_at timestamptz not null,
  attempts integer not null default 0
);`,
  },
];
