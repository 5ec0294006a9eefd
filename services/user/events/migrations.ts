import type { Migration } from '../../../lib/migrate.ts';

export const eventMigrations: readonly Migration[] = [
  {
    id: '0007-event-cursors',
    sql: `
-- How far a consumer has read the chain's event log. Moved in the transaction that holds the effects, never apart.
create table event_cursors (
  consumer text primary key,
  seq bigint not null default 0,
  block_number bigint not null default 0,
  block_time timestamptz,
  moved_at timestamptz not null default now()
);
insert into event_cursors (consumer) values ('main');`,
  },
  {
    id: '0014-chain-identities',
    sql: `
-- Which address an identity number belongs to: public facts of the chain, needed to know whom a permission concerns.
create table chain_identities (
  chain_id integer not null,
  token_id text not null,
  owner text not null,
  primary key (chain_id, token_id)
);`,
  },
];
