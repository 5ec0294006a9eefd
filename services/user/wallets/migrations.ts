import type { Migration } from '../../../lib/migrate.ts';

export const walletMigrations: readonly Migration[] = [
  {
    id: '0005-wallets',
    sql: `
-- The only place where a person and an address meet; deleting a row here is what erasure does.
create table wallets (
  id uuid primary key,
  address text not null,
  person_id uuid not null references people (id),
  chain_id integer not null,
  label text,
  kind text not null check (kind in ('eoa', 'contract')),
  linked_at timestamptz not null,
  -- Events up to this number were consumed before the wallet was linked: the history reader brings them in.
  linked_seq bigint not null,
  linked_block bigint not null,
  history_state text not null default 'waiting' check (history_state in ('waiting', 'done')),
  history_done_at timestamptz,
  audited_at timestamptz not null default '-infinity',
  audited_block bigint not null default 0,
  reconciled_at timestamptz not null default '-infinity'
);
create unique index wallets_address on wallets (address);
create index wallets_of_person on wallets (person_id, linked_at);
create index wallets_history on wallets (linked_at) where history_state = 'waiting';
create index wallets_audited_at on wallets (audited_at);
create index wallets_reconciled_at on wallets (reconciled_at);`,
  },
  {
    id: '0019-wallet-choices',
    sql: `
-- The primary wallet is the one that was chosen last; without a choice it is the oldest.
alter table wallets add column primary_at timestamptz;
-- Addresses somebody only looks at: nothing was proved, so they give no rights, no notices and no ledger.
create table watched_wallets (
  person_id uuid not null references people (id),
  address text not null,
  label text,
  created_at timestamptz not null,
  primary key (person_id, address)
);`,
  },
];
