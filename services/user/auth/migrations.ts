import type { Migration } from '../../../lib/migrate.ts';

export const authMigrations: readonly Migration[] = [
  {
    id: '0003-auth',
    sql: `
-- Nonces are kept until they expire, used or not: a replay is told apart from a nonce that never was.
create table auth_nonces (
  nonce text primary key,
  purpose text not null check (purpose in ('login', 'link', 'step-up')),
  person_id uuid references people (id) on delete cascade,
  address text,
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index auth_nonces_expires_at on auth_nonces (expires_at);

-- Keys that sign access tokens, when no key file is configured; the private part is sealed.
create table signing_keys (
  kid text primary key,
  sealed_private_key text not null,
  public_jwk jsonb not null,
  signs_from timestamptz not null,
  retired_at timestamptz not null
);`,
  },
];
