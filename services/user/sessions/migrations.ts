import type { Migration } from '../../../lib/migrate.ts';

export const sessionMigrations: readonly Migration[] = [
  {
    id: '0004-sessions',
    sql: `
create table sessions (
  id uuid primary key,
  person_id uuid not null references people (id) on delete cascade,
  method text not null,
  -- Coarse on purpose: "Firefox on Linux" and a network prefix, never a full user agent or address.
  device text not null,
  place text not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  stepped_up_at timestamptz,
  revoked_at timestamptz,
  revoked_reason text
);
create index sessions_of_person on sessions (person_id, last_seen_at desc) where revoked_at is null;
create index sessions_expires_at on sessions (expires_at);

-- One row per issued refresh token; all of one session are its family.
create table refresh_tokens (
  hash bytea primary key,
  session_id uuid not null references sessions (id) on delete cascade,
  issued_at timestamptz not null,
  used_at timestamptz,
  successor bytea
);
create index refresh_tokens_of_session on refresh_tokens (session_id);`,
  },
];
