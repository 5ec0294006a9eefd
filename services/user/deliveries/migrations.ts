import type { Migration } from '../../../lib/migrate.ts';

export const deliveryMigrations: readonly Migration[] = [
  {
    id: '0010-deliveries',
    sql: `
-- Where a person is reached besides the inbox and e-mail. The target holds keys and tokens, so it is sealed.
create table delivery_targets (
  id uuid primary key,
  person_id uuid not null references people (id) on delete cascade,
  channel text not null check (channel in ('push', 'fcm', 'webhook')),
  sealed text not null,
  -- The same browser or device registers once, whoever is signed in there.
  fingerprint bytea not null unique,
  description text,
  created_at timestamptz not null,
  disabled_at timestamptz,
  disabled_reason text
);
create index delivery_targets_of_person on delivery_targets (person_id) where disabled_at is null;

create table deliveries (
  id uuid primary key,
  inbox_id uuid references inbox (id) on delete cascade,
  person_id uuid references people (id) on delete cascade,
  -- notice: what happened · reverted: it was taken back · code: a one-time code
  kind text not null check (kind in ('notice', 'reverted', 'code')),
  channel text not null check (channel in ('email', 'push', 'fcm', 'webhook')),
  target text not null,
  priority smallint not null,
  state text not null check (state in ('waiting', 'sending', 'delivered', 'suppressed', 'dead')),
  digest boolean not null default false,
  reason text,
  due_at timestamptz not null,
  lease_until timestamptz,
  claims integer not null default 0,
  attempts integer not null default 0,
  sealed_payload text,
  created_at timestamptz not null,
  finished_at timestamptz,
  unique (inbox_id, kind, channel, target)
);
create index deliveries_due on deliveries (channel, priority, due_at) where state = 'waiting' and not digest;
create index deliveries_leased on deliveries (channel, lease_until) where state = 'sending';
create index deliveries_dead on deliveries (channel, finished_at desc, id desc) where state = 'dead';
create index deliveries_of_person on deliveries (person_id, created_at desc);
create index deliveries_digest on deliveries (person_id, due_at) where digest and state in ('waiting', 'sending');

-- What was tried, for support: "why did she not get it?"
create table delivery_attempts (
  delivery_id uuid not null references deliveries (id) on delete cascade,
  at timestamptz not null,
  outcome text not null,
  detail text not null,
  took_ms integer not null
);
create index delivery_attempts_of on delivery_attempts (delivery_id, at);

-- Keys that the service makes for itself and all replicas share, sealed.
create table service_secrets (
  name text primary key,
  sealed text not null,
  created_at timestamptz not null
);`,
  },
];
