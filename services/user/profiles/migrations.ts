import type { Migration } from '../../../lib/migrate.ts';

/** People, and what they tell about themselves. Everything personal can be erased; `people.ledger_id` links to the ledger. */
export const profileMigrations: readonly Migration[] = [
  {
    id: '0001-people',
    sql: `
create table people (
  id uuid primary key,
  -- The ledger knows people by this number only. Erasure sets it to null: the entries stay, and belong to nobody.
  ledger_id uuid unique,
  created_at timestamptz not null,
  erased_at timestamptz
);
create table profiles (
  person_id uuid primary key references people (id),
  display_name text,
  locale text not null default 'en',
  time_zone text not null default 'UTC',
  version integer not null default 1,
  updated_at timestamptz not null
);`,
  },
];
