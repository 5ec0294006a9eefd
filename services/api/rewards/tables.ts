import type { Generated } from 'kysely';

/** What counts towards an opportunity; all but `manual` are read from where they happen. */
export const CRITERIA = [
  'identity',
  'data-submissions',
  'permission-grants',
  'linked-wallets',
  'manual',
] as const;
export type Criterion = (typeof CRITERIA)[number];

export interface OpportunityTable {
  id: string;
  title: string;
  description: string;
  criterion: Criterion;
  target: number;
  /** RJV in its smallest unit. */
  reward_raw: string;
  /** How many people can claim it; null for any number. */
  max_claims: number | null;
  starts_at: Date;
  ends_at: Date | null;
  created_at: Generated<Date>;
}

export interface ProgressTable {
  opportunity_id: string;
  person_id: string;
  amount: number;
}

export interface ClaimTable {
  id: string;
  opportunity_id: string;
  person_id: string;
  wallet: string;
  reward_raw: string;
  transaction_id: string | null;
  claimed_at: Generated<Date>;
}

export const rewardsSql = `
CREATE TABLE opportunities (
  id text PRIMARY KEY,
  title text NOT NULL,
  description text NOT NULL,
  criterion text NOT NULL,
  target integer NOT NULL CHECK (target > 0),
  reward_raw numeric(78, 0) NOT NULL CHECK (reward_raw > 0),
  max_claims integer CHECK (max_claims > 0),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE opportunity_progress (
  opportunity_id text NOT NULL REFERENCES opportunities (id),
  person_id text NOT NULL,
  amount integer NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (opportunity_id, person_id)
);
CREATE TABLE opportunity_claims (
  id text PRIMARY KEY,
  opportunity_id text NOT NULL REFERENCES opportunities (id),
  person_id text NOT NULL,
  wallet text NOT NULL,
  reward_raw numeric(78, 0) NOT NULL,
  transaction_id text,
  claimed_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (opportunity_id, person_id)
);
`;
