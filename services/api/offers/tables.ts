import type { Generated } from 'kysely';

/**
 * reserved → paid → confirmed; or paid → refunding → refunded; or reserved → expired. A payment that comes after the
 * reservation ended is refunded.
 */
export const REDEMPTION_STATES = [
  'reserved',
  'paid',
  'confirmed',
  'refunding',
  'refunded',
  'expired',
] as const;
export type RedemptionState = (typeof REDEMPTION_STATES)[number];

export interface OfferTable {
  id: string;
  client_id: string;
  title: string;
  description: string;
  price_raw: string;
  /** Where the partner is paid. */
  payee: string;
  /** Left to redeem; null for any number. */
  stock: number | null;
  ends_at: Date | null;
  created_at: Generated<Date>;
}

export interface RedemptionTable {
  id: string;
  offer_id: string;
  person_id: string;
  wallet: string;
  price_raw: string;
  state: RedemptionState;
  reserved_until: Date;
  payment_hash: string | null;
  /** Payment to the partner, or refund to the person. */
  settlement_id: string | null;
  reason: string | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export const offersSql = `
CREATE TABLE partner_offers (
  id text PRIMARY KEY,
  client_id text NOT NULL REFERENCES api_clients (id),
  title text NOT NULL,
  description text NOT NULL,
  price_raw numeric(78, 0) NOT NULL CHECK (price_raw > 0),
  payee text NOT NULL,
  stock integer CHECK (stock >= 0),
  ends_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE redemptions (
  id text PRIMARY KEY,
  offer_id text NOT NULL REFERENCES partner_offers (id),
  person_id text NOT NULL,
  wallet text NOT NULL,
  price_raw numeric(78, 0) NOT NULL,
  state text NOT NULL,
  reserved_until timestamptz NOT NULL,
  payment_hash text UNIQUE,
  settlement_id text,
  reason text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX redemptions_person ON redemptions (person_id, id DESC);
CREATE INDEX redemptions_open ON redemptions (reserved_until) WHERE state = 'reserved';
CREATE INDEX redemptions_unsettled ON redemptions (updated_at)
  WHERE settlement_id IS NULL AND state IN ('confirmed', 'refunding');
`;
