import { idempotencyTableSql } from '../../../lib/idempotency.ts';

/** Transactions, nonce lanes, signed attempts, their moves and their trail. */
export const transactionsMigration = {
  id: '0001-transactions',
  sql: `
CREATE TABLE transaction_moves (
  from_state text NOT NULL,
  to_state   text NOT NULL,
  PRIMARY KEY (from_state, to_state)
);
INSERT INTO transaction_moves VALUES
  ('queued','prepared'), ('queued','rejected'), ('queued','cancelled'), ('queued','included'),
  ('prepared','signed'), ('prepared','queued'), ('prepared','rejected'), ('prepared','cancelled'), ('prepared','included'),
  ('signed','submitted'), ('signed','included'), ('signed','queued'), ('signed','replaced'),
  ('submitted','included'), ('submitted','queued'), ('submitted','replaced'),
  ('included','confirmed'), ('included','submitted'),
  ('confirmed','finalized'), ('confirmed','failed'), ('confirmed','cancelled'), ('confirmed','submitted'), ('confirmed','included');

CREATE TABLE transactions (
  id              uuid PRIMARY KEY,
  chain_id        bigint NOT NULL,
  state           text NOT NULL DEFAULT 'queued',
  version         integer NOT NULL DEFAULT 1,
  pool            text NOT NULL,
  principal       text NOT NULL,
  idempotency_key text NOT NULL,
  contract        text,
  function        text,
  args            jsonb,
  to_address      text NOT NULL,
  data            text NOT NULL DEFAULT '0x',
  value           numeric(78,0) NOT NULL DEFAULT 0 CHECK (value >= 0),
  urgency         text NOT NULL DEFAULT 'standard' CHECK (urgency IN ('slow','standard','fast')),
  purpose         text,
  requested_by    text NOT NULL,
  max_fee_cap     numeric(78,0),
  deadline_at     timestamptz,
  webhook_url     text,
  signer          text,
  nonce           bigint,
  gas_limit       bigint,
  access_list     jsonb,
  cost_estimate   numeric(78,0),
  hash            text,
  block_number    bigint,
  block_hash      text,
  outcome         text CHECK (outcome IN ('success','reverted','cancelled')),
  confirmations   integer NOT NULL DEFAULT 0,
  gas_used        bigint,
  gas_price       numeric(78,0),
  error_code      text,
  error_message   text,
  waiting_reason  text,
  cancel_requested_at timestamptz,
  speed_ups       integer NOT NULL DEFAULT 0,
  requeues        integer NOT NULL DEFAULT 0,
  prepare_after   timestamptz NOT NULL DEFAULT now(),
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  included_at     timestamptz,
  UNIQUE (principal, idempotency_key),
  CHECK (state NOT IN ('signed','submitted','included','confirmed','finalized','failed') OR (signer IS NOT NULL AND nonce IS NOT NULL)),
  CHECK (state NOT IN ('included','confirmed','finalized','failed') OR (block_hash IS NOT NULL AND outcome IS NOT NULL))
);
CREATE INDEX transactions_queued   ON transactions (chain_id, prepare_after, id) WHERE state = 'queued';
CREATE INDEX transactions_prepared ON transactions (chain_id, signer, id) WHERE state = 'prepared';
CREATE INDEX transactions_open     ON transactions (chain_id, signer, nonce) WHERE state IN ('signed','submitted','included','confirmed');
CREATE INDEX transactions_by_requester ON transactions (requested_by, id DESC);
CREATE INDEX transactions_by_state ON transactions (state, id DESC);
CREATE INDEX transactions_by_hash  ON transactions (hash);

CREATE FUNCTION guard_transaction_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id <> OLD.id OR NEW.chain_id <> OLD.chain_id OR NEW.to_address <> OLD.to_address OR NEW.data <> OLD.data OR NEW.value <> OLD.value THEN
    RAISE EXCEPTION 'what transaction % does may not be changed', OLD.id USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (SELECT 1 FROM transaction_moves WHERE from_state = OLD.state AND to_state = NEW.state) THEN
    RAISE EXCEPTION 'transaction % may not move from % to %', OLD.id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
  END IF;
  NEW.version := OLD.version + 1;
  NEW.updated_at := now();
  RETURN NEW;
END $$;
CREATE TRIGGER transactions_guard BEFORE UPDATE ON transactions FOR EACH ROW EXECUTE FUNCTION guard_transaction_move();

CREATE FUNCTION guard_transaction_birth() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state <> 'queued' THEN
    RAISE EXCEPTION 'a transaction starts as queued, not %', NEW.state USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER transactions_birth BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION guard_transaction_birth();

-- One nonce lane per chain and signer.
CREATE TABLE lanes (
  chain_id      bigint NOT NULL,
  signer        text NOT NULL,
  pool          text NOT NULL,
  next_nonce    bigint NOT NULL CHECK (next_nonce >= 0),
  paused_reason text,
  paused_since  timestamptz,
  updated_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (chain_id, signer)
);

-- A nonce that was given out. It belongs to one transaction, or to none when it only fills a gap.
CREATE TABLE nonce_slots (
  chain_id       bigint NOT NULL,
  signer         text NOT NULL,
  nonce          bigint NOT NULL,
  transaction_id uuid REFERENCES transactions (id),
  state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open','included','settled','foreign')),
  included_hash  text,
  block_number   bigint,
  block_hash     text,
  outcome        text CHECK (outcome IN ('success','reverted','cancelled')),
  foreign_seen_block bigint,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (chain_id, signer, nonce),
  CHECK (state NOT IN ('included','settled') OR (included_hash IS NOT NULL AND block_hash IS NOT NULL AND outcome IS NOT NULL))
);
-- A transaction holds at most one nonce that can still execute.
CREATE UNIQUE INDEX nonce_slots_one_live ON nonce_slots (transaction_id) WHERE state <> 'foreign' AND transaction_id IS NOT NULL;
CREATE INDEX nonce_slots_open     ON nonce_slots (chain_id, signer, nonce) WHERE state = 'open';
CREATE INDEX nonce_slots_included ON nonce_slots (chain_id, block_number) WHERE state = 'included';

-- Every signed byte string, saved before it is broadcast.
CREATE TABLE attempts (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain_id       bigint NOT NULL,
  signer         text NOT NULL,
  nonce          bigint NOT NULL,
  number         integer NOT NULL CHECK (number >= 1),
  kind           text NOT NULL CHECK (kind IN ('send','bump','cancel','fill','adopted')),
  hash           text NOT NULL,
  raw            text NOT NULL,
  gas_limit      bigint NOT NULL,
  max_fee        numeric(78,0) NOT NULL,
  max_priority   numeric(78,0) NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  broadcasts     integer NOT NULL DEFAULT 0,
  last_broadcast_at timestamptz,
  accepted_at    timestamptz,
  last_error     text,
  FOREIGN KEY (chain_id, signer, nonce) REFERENCES nonce_slots (chain_id, signer, nonce),
  UNIQUE (chain_id, signer, nonce, number),
  UNIQUE (chain_id, hash),
  CHECK ((number = 1) = (kind IN ('send','fill','adopted')))
);
CREATE FUNCTION guard_attempt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR NEW.raw <> OLD.raw OR NEW.hash <> OLD.hash OR NEW.nonce <> OLD.nonce OR NEW.signer <> OLD.signer OR NEW.chain_id <> OLD.chain_id THEN
    RAISE EXCEPTION 'a signed attempt may not be changed or deleted' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER attempts_guard BEFORE UPDATE OR DELETE ON attempts FOR EACH ROW EXECUTE FUNCTION guard_attempt();

-- Each state a transaction was in, by version: what event streams and webhooks replay.
CREATE TABLE transaction_events (
  transaction_id uuid NOT NULL REFERENCES transactions (id),
  version        integer NOT NULL,
  state          text NOT NULL,
  snapshot       jsonb NOT NULL,
  at             timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (transaction_id, version)
);
CREATE FUNCTION record_transaction_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.outcome IS DISTINCT FROM OLD.outcome OR NEW.block_hash IS DISTINCT FROM OLD.block_hash
     OR NEW.hash IS DISTINCT FROM OLD.hash OR NEW.waiting_reason IS DISTINCT FROM OLD.waiting_reason THEN
    INSERT INTO transaction_events (transaction_id, version, state, snapshot) VALUES (NEW.id, NEW.version, NEW.state,
      jsonb_build_object('hash', NEW.hash, 'nonce', NEW.nonce, 'signer', NEW.signer, 'blockNumber', NEW.block_number::text, 'blockHash', NEW.block_hash,
        'outcome', NEW.outcome, 'confirmations', NEW.confirmations, 'errorCode', NEW.error_code, 'errorMessage', NEW.error_message,
        'waitingReason', NEW.waiting_reason));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER transactions_record AFTER INSERT OR UPDATE ON transactions FOR EACH ROW EXECUTE FUNCTION record_transaction_event();

-- What must still leave this database: waking of workers, webhooks.
CREATE TABLE outbox (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic          text NOT NULL,
  transaction_id uuid REFERENCES transactions (id),
  payload        jsonb NOT NULL DEFAULT '{}',
  created_at     timestamptz NOT NULL DEFAULT now(),
  done_at        timestamptz
);
CREATE INDEX outbox_open ON outbox (topic, id) WHERE done_at IS NULL;

-- The trail: entries are written with the change they describe; the sealer chains them.
CREATE TABLE audit_entries (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject     text NOT NULL,
  action      text NOT NULL,
  actor       text NOT NULL,
  details     jsonb NOT NULL,
  at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_entries_by_subject ON audit_entries (subject, id);
CREATE TABLE audit_chain (
  seq       bigint PRIMARY KEY,
  entry_id  bigint NOT NULL UNIQUE REFERENCES audit_entries (id),
  previous  text NOT NULL,
  hash      text NOT NULL
);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_chain_append_only   BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain   FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
${idempotencyTableSql}`,
} as const;
