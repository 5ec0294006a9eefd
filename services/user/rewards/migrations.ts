import type { Migration } from '../../../lib/migrate.ts';

export const rewardMigrations: readonly Migration[] = [
  {
    id: '0011-rewards',
    sql: `
create table reward_campaigns (
  id text primary key,
  title text not null,
  -- What an award is worth: points of this service, or RJV paid on the chain.
  currency text not null check (currency in ('points', 'rjv')),
  rule jsonb not null,
  budget numeric(78, 0) not null check (budget > 0),
  -- Promised and not taken back; the check is what concurrent awards cannot get past.
  committed numeric(78, 0) not null default 0 check (committed >= 0 and committed <= budget),
  starts_at timestamptz not null,
  ends_at timestamptz,
  paused boolean not null default false,
  created_at timestamptz not null
);

create table reward_awards (
  id uuid primary key,
  campaign_id text not null references reward_campaigns (id),
  person_id uuid not null references people (id),
  event_key text not null,
  amount numeric(78, 0) not null check (amount > 0),
  state text not null check (state in ('pending', 'posted', 'voided', 'clawed-back')),
  reason text,
  wallet text,
  payout_id uuid,
  created_at timestamptz not null,
  settled_at timestamptz,
  unique (campaign_id, person_id, event_key)
);
create index reward_awards_of_person on reward_awards (person_id, created_at desc);
create index reward_awards_of_event on reward_awards (event_key);
create index reward_awards_unpaid on reward_awards (campaign_id, wallet) where state = 'posted' and payout_id is null and wallet is not null;

-- One on-chain transaction for everything that one wallet is owed; saved before it is asked for.
create table reward_payouts (
  id uuid primary key,
  wallet text not null,
  amount numeric(78, 0) not null,
  state text not null check (state in ('prepared', 'requested', 'confirmed', 'failed')),
  transaction_id text,
  error text,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index reward_payouts_open on reward_payouts (updated_at) where state in ('prepared', 'requested');`,
  },
  {
    id: '0015-reward-assets',
    sql: `
insert into ledger_assets (id, symbol, decimals) values ('points:rejuve', 'points', 0), ('owed:rjv', 'RJV', 6) on conflict do nothing;`,
  },
];
