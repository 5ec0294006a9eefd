/** Payment channels to SingularityNET daemons, what was signed on them, and the calls that were paid. */
export const snetMigration = {
  id: '0007-snet',
  sql: `
CREATE TABLE snet_channels (
  id             uuid PRIMARY KEY,
  chain_id       bigint NOT NULL,
  mpe            text NOT NULL,
  org            text NOT NULL,
  group_name     text NOT NULL,
  group_id       text NOT NULL,
  sender         text NOT NULL,
  signer         text NOT NULL,
  recipient      text NOT NULL,
  -- Known once a confirmed block has it.
  channel_id     numeric(78,0),
  -- The contract's view in a confirmed block.
  chain_nonce    numeric(78,0) NOT NULL DEFAULT 0,
  chain_value    numeric(78,0) NOT NULL DEFAULT 0,
  expiration     numeric(78,0) NOT NULL DEFAULT 0,
  chain_block    bigint,
  chain_hash     text,
  -- The nonce that payments are signed for: the contract's, or one more while a claim is on its way.
  nonce          numeric(78,0) NOT NULL DEFAULT 0,
  -- Highest amount that the daemon is known to have taken for that nonce.
  accepted       numeric(78,0) NOT NULL DEFAULT 0,
  -- Raised by every writer; whoever has an older one may not sign.
  fence          bigint NOT NULL DEFAULT 0,
  -- Prepaid: what the daemon says was bought, and what our calls hold or spent of it. A new epoch after it forgot.
  epoch          integer NOT NULL DEFAULT 1,
  planned        numeric(78,0) NOT NULL DEFAULT 0,
  committed      numeric(78,0) NOT NULL DEFAULT 0,
  token          text,
  token_until    timestamptz,
  daemon_used    numeric(78,0),
  daemon_signed  numeric(78,0),
  daemon_read_at timestamptz,
  version        bigint NOT NULL DEFAULT 0,
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (chain_id, mpe, sender, signer, recipient, group_id),
  CHECK (committed >= 0 AND planned >= 0 AND accepted >= 0)
);

-- Every signature is a row before it leaves the process.
CREATE TABLE snet_signatures (
  channel    uuid NOT NULL REFERENCES snet_channels (id),
  nonce      numeric(78,0) NOT NULL,
  amount     numeric(78,0) NOT NULL,
  purpose    text NOT NULL CHECK (purpose IN ('call', 'prepaid', 'recovered')),
  call_id    uuid,
  fence      bigint NOT NULL,
  signature  bytea NOT NULL,
  -- open: it is not known whether the daemon has it; unused: it has not and may be given the same again.
  state      text NOT NULL CHECK (state IN ('open', 'accepted', 'unused')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel, nonce, amount)
);
-- Two payments under way on one channel would contradict each other.
CREATE UNIQUE INDEX snet_signatures_one_open ON snet_signatures (channel) WHERE state = 'open';

CREATE TABLE snet_calls (
  id              uuid PRIMARY KEY,
  channel         uuid REFERENCES snet_channels (id),
  epoch           integer,
  org             text NOT NULL,
  service         text NOT NULL,
  method          text NOT NULL,
  principal       text NOT NULL,
  -- Opaque id of the person on whose behalf it was made.
  person          text,
  mode            text NOT NULL CHECK (mode IN ('prepaid', 'escrow', 'free')),
  price           numeric(78,0) NOT NULL,
  -- held: under way; answered: charged; failed: the daemon took nothing, or gave it back (then reached is true);
  -- lost: we died or lost sight of it, nobody was charged, the daemon may have been paid.
  state           text NOT NULL CHECK (state IN ('held', 'answered', 'failed', 'lost')),
  reached         boolean NOT NULL DEFAULT false,
  error           text,
  hold_until      timestamptz NOT NULL,
  idempotency_key text,
  body_hash       text,
  answer          text,
  created_at      timestamptz NOT NULL DEFAULT now(),
  ended_at        timestamptz
);
CREATE UNIQUE INDEX snet_calls_idempotency ON snet_calls (principal, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND state IN ('held', 'answered');
CREATE INDEX snet_calls_held ON snet_calls (hold_until) WHERE state = 'held';
CREATE INDEX snet_calls_person ON snet_calls (person, created_at);
CREATE INDEX snet_calls_channel ON snet_calls (channel, epoch, state);
CREATE INDEX snet_calls_answers ON snet_calls (ended_at) WHERE answer IS NOT NULL;

-- Deposits on their way: each step is a transaction of the transaction manager, found again by its key.
CREATE TABLE snet_fundings (
  id          uuid PRIMARY KEY,
  channel     uuid NOT NULL REFERENCES snet_channels (id),
  kind        text NOT NULL CHECK (kind IN ('open', 'add', 'extend', 'withdraw')),
  amount      numeric(78,0) NOT NULL,
  expiration  numeric(78,0) NOT NULL,
  step        integer NOT NULL DEFAULT 0,
  transaction uuid,
  state       text NOT NULL CHECK (state IN ('active', 'done', 'failed')),
  error       text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz
);
CREATE UNIQUE INDEX snet_fundings_one_active ON snet_fundings (channel) WHERE state = 'active';
`,
} as const;
