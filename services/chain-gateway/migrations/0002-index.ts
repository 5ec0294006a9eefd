/** The index of the chain and the event log. Everything here can be rebuilt from the chain, except `seq`. */
export const indexMigration = {
  id: '0002-index',
  sql: `
CREATE TABLE index_cursors (
  chain_id         bigint PRIMARY KEY,
  start_block      bigint NOT NULL,
  block_number     bigint NOT NULL,
  block_hash       text NOT NULL,
  block_time       timestamptz NOT NULL,
  safe_number      bigint NOT NULL,
  confirmed_number bigint NOT NULL,
  finalized_number bigint NOT NULL,
  halted_reason    text,
  updated_at       timestamptz NOT NULL DEFAULT now()
);

-- The window of canonical blocks; older ones are pruned once final.
CREATE TABLE blocks (
  chain_id    bigint NOT NULL,
  number      bigint NOT NULL,
  hash        text NOT NULL,
  parent_hash text NOT NULL,
  time        timestamptz NOT NULL,
  PRIMARY KEY (chain_id, number)
);

CREATE TABLE indexed_contracts (
  chain_id   bigint NOT NULL,
  address    text NOT NULL,
  name       text NOT NULL,
  standard   text NOT NULL,
  symbol     text,
  decimals   integer,
  from_block bigint NOT NULL,
  -- Blocks below this one were indexed without this contract and are being backfilled; null when complete.
  backfill_below bigint,
  backfill_next  bigint,
  PRIMARY KEY (chain_id, address)
);

CREATE TABLE token_transfers (
  chain_id     bigint NOT NULL,
  block_number bigint NOT NULL,
  block_hash   text NOT NULL,
  log_index    integer NOT NULL,
  item         integer NOT NULL DEFAULT 0,
  transaction_hash text NOT NULL,
  block_time   timestamptz NOT NULL,
  token        text NOT NULL,
  standard     text NOT NULL CHECK (standard IN ('erc20','erc721','erc1155','native')),
  from_address text NOT NULL,
  to_address   text NOT NULL,
  token_id     numeric(78,0),
  amount       numeric(78,0) NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (chain_id, block_hash, log_index, item)
);
CREATE INDEX token_transfers_by_block ON token_transfers (chain_id, block_number, log_index, item);
CREATE INDEX token_transfers_by_from  ON token_transfers (chain_id, from_address, block_number DESC, log_index DESC, item DESC);
CREATE INDEX token_transfers_by_to    ON token_transfers (chain_id, to_address, block_number DESC, log_index DESC, item DESC);
CREATE INDEX token_transfers_by_token ON token_transfers (chain_id, token, block_number DESC, log_index DESC, item DESC);

-- Sums over canonical transfers. A holder whose sum is zero has no row, so that a replay gives the same rows.
CREATE TABLE token_balances (
  chain_id bigint NOT NULL,
  token    text NOT NULL,
  holder   text NOT NULL,
  raw      numeric(78,0) NOT NULL,
  PRIMARY KEY (chain_id, token, holder)
);
CREATE INDEX token_balances_by_holder ON token_balances (chain_id, holder);

CREATE TABLE nft_holdings (
  chain_id bigint NOT NULL,
  contract text NOT NULL,
  token_id numeric(78,0) NOT NULL,
  owner    text NOT NULL,
  standard text NOT NULL,
  amount   numeric(78,0) NOT NULL,
  PRIMARY KEY (chain_id, contract, token_id, owner)
);
CREATE INDEX nft_holdings_by_owner ON nft_holdings (chain_id, owner);

CREATE TABLE identities (
  chain_id     bigint NOT NULL,
  block_number bigint NOT NULL,
  block_hash   text NOT NULL,
  log_index    integer NOT NULL,
  transaction_hash text NOT NULL,
  block_time   timestamptz NOT NULL,
  contract     text NOT NULL,
  owner        text NOT NULL,
  sponsor      text NOT NULL,
  token_id     numeric(78,0) NOT NULL,
  token_uri    text NOT NULL,
  destroyed_block bigint,
  destroyed_time  timestamptz,
  PRIMARY KEY (chain_id, block_hash, log_index)
);
CREATE INDEX identities_by_owner ON identities (chain_id, owner, block_number DESC, log_index DESC);
CREATE INDEX identities_by_token ON identities (chain_id, contract, token_id);

CREATE TABLE data_submissions (
  chain_id     bigint NOT NULL,
  block_number bigint NOT NULL,
  block_hash   text NOT NULL,
  log_index    integer NOT NULL,
  transaction_hash text NOT NULL,
  block_time   timestamptz NOT NULL,
  contract     text NOT NULL,
  owner        text NOT NULL,
  owner_id     numeric(78,0) NOT NULL,
  data_hash    text NOT NULL,
  PRIMARY KEY (chain_id, block_hash, log_index)
);
CREATE INDEX data_submissions_by_owner ON data_submissions (chain_id, owner_id, block_number DESC, log_index DESC);
CREATE INDEX data_submissions_by_hash  ON data_submissions (chain_id, data_hash);

CREATE TABLE permissions (
  chain_id     bigint NOT NULL,
  block_number bigint NOT NULL,
  block_hash   text NOT NULL,
  log_index    integer NOT NULL,
  transaction_hash text NOT NULL,
  block_time   timestamptz NOT NULL,
  contract     text NOT NULL,
  owner_id     numeric(78,0) NOT NULL,
  requester_id numeric(78,0) NOT NULL,
  product_id   numeric(78,0) NOT NULL,
  data_hash    text NOT NULL,
  permission_hash text NOT NULL,
  PRIMARY KEY (chain_id, block_hash, log_index)
);
CREATE INDEX permissions_by_owner ON permissions (chain_id, owner_id, block_number DESC, log_index DESC);
CREATE INDEX permissions_by_data  ON permissions (chain_id, data_hash, product_id);

CREATE TABLE attestations (
  chain_id     bigint NOT NULL,
  block_number bigint NOT NULL,
  block_hash   text NOT NULL,
  log_index    integer NOT NULL,
  transaction_hash text NOT NULL,
  block_time   timestamptz NOT NULL,
  contract     text NOT NULL,
  uid          text NOT NULL,
  schema_uid   text NOT NULL,
  attester     text NOT NULL,
  recipient    text NOT NULL,
  revoked_block bigint,
  revoked_time  timestamptz,
  PRIMARY KEY (chain_id, block_hash, log_index)
);
CREATE INDEX attestations_by_recipient ON attestations (chain_id, recipient, block_number DESC, log_index DESC);
CREATE INDEX attestations_by_uid ON attestations (chain_id, uid);

-- The event log. seq has no gaps and no reader can miss one: it is given out under a lock on event_log_head.
CREATE TABLE event_log_head (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  last_seq bigint NOT NULL,
  oldest_seq bigint NOT NULL DEFAULT 1
);
INSERT INTO event_log_head (last_seq) VALUES (0);

CREATE TABLE chain_events (
  seq          bigint NOT NULL,
  chain_id     bigint NOT NULL,
  type         text NOT NULL,
  stage        text NOT NULL CHECK (stage IN ('pending','confirmed','finalized','reverted')),
  key          text NOT NULL,
  block_number bigint NOT NULL,
  block_hash   text NOT NULL,
  block_time   timestamptz NOT NULL,
  log_index    integer NOT NULL,
  item         integer NOT NULL DEFAULT 0,
  transaction_hash text NOT NULL,
  contract_name    text NOT NULL,
  contract_address text NOT NULL,
  data         jsonb NOT NULL,
  PRIMARY KEY (seq)
) PARTITION BY RANGE (seq);
CREATE TABLE chain_events_p0 PARTITION OF chain_events FOR VALUES FROM (0) TO (10000000);
CREATE INDEX chain_events_by_block ON chain_events (chain_id, block_number, stage);
CREATE TRIGGER chain_events_append_only BEFORE UPDATE ON chain_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
`,
} as const;
