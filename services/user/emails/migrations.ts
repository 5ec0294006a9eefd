import type { Migration } from '../../../lib/migrate.ts';

export const emailMigrations: readonly Migration[] = [
  {
    id: '0009-emails',
    sql: `
create table email_addresses (
  person_id uuid primary key references people (id) on delete cascade,
  address text not null,
  confirmed_at timestamptz not null,
  -- Set by a hard bounce or a complaint: nothing is sent until the address is confirmed again.
  blocked_at timestamptz,
  blocked_reason text
);
-- One account per address; compared without case, as every provider in practice does.
create unique index email_addresses_address on email_addresses (lower(address));

create table email_codes (
  id uuid primary key,
  purpose text not null check (purpose in ('login', 'confirm', 'step-up')),
  -- Null for a login with an address that nobody confirmed: the answer looks the same, and no code fits.
  person_id uuid references people (id) on delete cascade,
  address text not null,
  code_hash bytea not null,
  attempts integer not null default 0,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index email_codes_expires_at on email_codes (expires_at);`,
  },
];
