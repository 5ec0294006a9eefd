import type { Migration } from '../../../lib/migrate.ts';

export const preferenceMigrations: readonly Migration[] = [
  {
    id: '0002-preferences',
    sql: `
create table preferences (
  person_id uuid primary key references people (id),
  version integer not null default 1,
  settings jsonb not null,
  updated_at timestamptz not null
);`,
  },
];
