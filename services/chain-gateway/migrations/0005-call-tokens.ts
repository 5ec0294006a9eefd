/**
 * Call tokens: what was authorised, what of it is leased to Redis, and what every call did cost. All amounts are in the
 * smallest unit of the allotment's asset and fit 2^53, because Lua counts in doubles.
 */
export const callTokensMigration = {
  id: '0005-call-tokens',
  sql: `
-- One row: which life of Redis we lease to, and the salt of pairwise subjects.
CREATE TABLE call_token_state (
  singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  generation   text NOT NULL DEFAULT '',
  subject_salt bytea NOT NULL DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
);
INSERT INTO call_token_state DEFAULT VALUES;

CREATE TABLE call_token_allotments (
  id            uuid PRIMARY KEY,
  chain_id      bigint NOT NULL,
  payer         text NOT NULL,
  asset         text NOT NULL,
  unit_price    bigint NOT NULL CHECK (unit_price > 0),
  cap           bigint NOT NULL CHECK (cap > 0 AND cap <= 9007199254740991),
  settled       bigint NOT NULL DEFAULT 0,
  held          bigint NOT NULL DEFAULT 0,
  uncollected   bigint NOT NULL DEFAULT 0 CHECK (uncollected >= 0),
  max_per_call  bigint NOT NULL CHECK (max_per_call > 0),
  max_in_flight integer NOT NULL CHECK (max_in_flight > 0),
  audience      text NOT NULL,
  scope         text NOT NULL,
  jkt           text,
  subject       text NOT NULL,
  valid_after   timestamptz NOT NULL,
  valid_before  timestamptz NOT NULL,
  epoch         integer NOT NULL DEFAULT 1,
  revoked_at    timestamptz,
  created_at    timestamptz NOT NULL DEFAULT now(),
  -- The promise to the payer, kept by the database itself.
  CONSTRAINT call_token_budget CHECK (settled >= 0 AND held >= 0 AND settled + held <= cap)
);
CREATE INDEX call_token_allotments_by_payer ON call_token_allotments (payer, id);

-- Every signature that was ever accepted; a nonce is good for one of them.
CREATE TABLE call_token_authorizations (
  payer        text NOT NULL,
  nonce        text NOT NULL,
  digest       text NOT NULL,
  allotment_id uuid NOT NULL REFERENCES call_token_allotments (id),
  kind         text NOT NULL CHECK (kind IN ('exchange', 'top-up')),
  amount       bigint NOT NULL CHECK (amount > 0),
  signed       jsonb NOT NULL,
  signature    text NOT NULL,
  wallet       text NOT NULL CHECK (wallet IN ('key', 'contract')),
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (payer, nonce)
);
CREATE INDEX call_token_authorizations_by_allotment ON call_token_authorizations (allotment_id, created_at);

-- One exchange each: what a refresh token stands for.
CREATE TABLE call_token_grants (
  id           uuid PRIMARY KEY,
  allotment_id uuid NOT NULL REFERENCES call_token_allotments (id),
  refresh_hash bytea NOT NULL UNIQUE,
  client_id    text NOT NULL,
  scope        text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX call_token_grants_by_allotment ON call_token_grants (allotment_id, created_at);

-- What Redis may hand out on its own, growing chunk by chunk. Fenced: takes no more holds; closed: given back.
CREATE TABLE call_token_leases (
  allotment_id uuid NOT NULL REFERENCES call_token_allotments (id),
  lease        integer NOT NULL,
  generation   text NOT NULL,
  amount       bigint NOT NULL DEFAULT 0,
  posted       bigint NOT NULL DEFAULT 0,
  collected    bigint NOT NULL DEFAULT 0,
  returned     bigint NOT NULL DEFAULT 0,
  state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'fenced', 'closed')),
  reason       text,
  opened_at    timestamptz NOT NULL DEFAULT now(),
  active_at    timestamptz NOT NULL DEFAULT now(),
  closed_at    timestamptz,
  PRIMARY KEY (allotment_id, lease),
  CONSTRAINT call_token_lease_budget CHECK (collected >= 0 AND returned >= 0 AND collected + returned <= amount)
);
CREATE UNIQUE INDEX call_token_leases_one_open ON call_token_leases (allotment_id) WHERE state = 'open';
CREATE INDEX call_token_leases_unfinished ON call_token_leases (allotment_id, lease) WHERE state <> 'closed';

-- How every call ended. The primary key is what makes posting twice harmless.
CREATE TABLE call_token_calls (
  allotment_id uuid NOT NULL REFERENCES call_token_allotments (id),
  call_id      text NOT NULL,
  lease        integer NOT NULL,
  state        text NOT NULL CHECK (state IN ('settled', 'released', 'expired')),
  held         bigint NOT NULL,
  amount       bigint NOT NULL,
  units        bigint NOT NULL,
  method       text NOT NULL,
  at           timestamptz NOT NULL,
  seq          bigint GENERATED ALWAYS AS IDENTITY,
  PRIMARY KEY (allotment_id, call_id),
  CONSTRAINT call_token_actual_within_held CHECK (amount >= 0 AND amount <= held)
);
CREATE INDEX call_token_calls_statement ON call_token_calls (allotment_id, seq DESC);
CREATE INDEX call_token_calls_by_time ON call_token_calls (at);

-- Double entry: authorised → available → leased → spent, and back from leased to available.
CREATE TABLE call_token_entries (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  allotment_id uuid NOT NULL REFERENCES call_token_allotments (id),
  kind         text NOT NULL CHECK (kind IN ('authorise', 'lease', 'settle', 'return')),
  at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX call_token_entries_by_allotment ON call_token_entries (allotment_id, id);
CREATE TABLE call_token_postings (
  entry_id bigint NOT NULL REFERENCES call_token_entries (id),
  account  text NOT NULL CHECK (account IN ('authorised', 'available', 'leased', 'spent')),
  amount   bigint NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (entry_id, account)
);
CREATE FUNCTION call_token_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT sum(amount) FROM call_token_postings WHERE entry_id = NEW.entry_id) <> 0 THEN
    RAISE EXCEPTION 'entry % does not balance', NEW.entry_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER call_token_postings_balance AFTER INSERT ON call_token_postings
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION call_token_entry_balances();

-- Keys that sign call tokens; the private part is sealed.
CREATE TABLE call_token_keys (
  kid                text PRIMARY KEY,
  sealed_private_key text NOT NULL,
  public_jwk         jsonb NOT NULL,
  signs_from         timestamptz NOT NULL,
  retired_at         timestamptz NOT NULL
);
`,
} as const;
