import { idempotencyTableSql } from '../../../lib/idempotency.ts';
import type { Migration } from '../../../lib/migrate.ts';

export const partnerMigrations: readonly Migration[] = [
  {
    id: '0012-partners',
    sql: `
create table partner_offers (
  connector text not null,
  offer_id text not null,
  title text not null,
  description text not null,
  price numeric(78, 0) not null,
  currency text not null,
  available_until timestamptz,
  fetched_at timestamptz not null,
  primary key (connector, offer_id)
);
create table partner_orders (
  id uuid primary key,
  person_id uuid not null references people (id),
  connector text not null,
  offer_id text not null,
  state text not null check (state in ('placed', 'sent', 'fulfilled', 'refused')),
  partner_reference text,
  reason text,
  attempts integer not null default 0,
  due_at timestamptz not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index partner_orders_due on partner_orders (due_at) where state = 'placed';
create unique index partner_orders_reference on partner_orders (connector, partner_reference);
-- Seen webhook ids: a replay is answered and does nothing.
create table partner_webhooks (
  connector text not null,
  webhook_id text not null,
  received_at timestamptz not null,
  primary key (connector, webhook_id)
);
-- What a partner sent and we could not understand, for operators.
create table partner_problems (
  id bigint generated always as identity primary key,
  connector text not null,
  what text not null,
  detail text not null,
  sample jsonb,
  first_at timestamptz not null,
  last_at timestamptz not null,
  count integer not null default 1,
  unique (connector, what, detail)
);

-- Domain events on their way to the analytics sink.
create table analytics_outbox (
  id bigint generated always as identity primary key,
  subject text,
  type text not null,
  data jsonb not null,
  occurred_at timestamptz not null
);`,
  },
  { id: '0016-idempotency', sql: idempotencyTableSql },
];
