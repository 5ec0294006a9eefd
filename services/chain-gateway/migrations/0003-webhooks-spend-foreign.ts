/** Webhook deliveries, what each signer spent, and what the reconciler and the backfill remember. */
export const webhooksMigration = {
  id: '0003-webhooks-spend-foreign',
  sql: `
CREATE TABLE webhook_deliveries (
  id             uuid PRIMARY KEY,
  transaction_id uuid NOT NULL REFERENCES transactions (id),
  version        integer NOT NULL,
  url            text NOT NULL,
  body           text NOT NULL,
  attempts       integer NOT NULL DEFAULT 0,
  next_at        timestamptz NOT NULL DEFAULT now(),
  delivered_at   timestamptz,
  dead_at        timestamptz,
  last_status    integer,
  last_error     text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  UNIQUE (transaction_id, version)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE delivered_at IS NULL AND dead_at IS NULL;

-- A state change of a transaction with a webhook leaves a row in the outbox, in the same database transaction.
CREATE FUNCTION queue_transaction_webhook() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.webhook_url IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.state <> OLD.state) THEN
    INSERT INTO outbox (topic, transaction_id, payload) VALUES ('webhook', NEW.id, jsonb_build_object('version', NEW.version, 'state', NEW.state));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER transactions_webhook AFTER INSERT OR UPDATE ON transactions FOR EACH ROW EXECUTE FUNCTION queue_transaction_webhook();

-- What a signer committed itself to (worst case at signing) and really spent (at inclusion), wei.
CREATE TABLE signer_spend (
  chain_id   bigint NOT NULL,
  signer     text NOT NULL,
  nonce      bigint NOT NULL,
  pool       text NOT NULL,
  purpose    text,
  committed  numeric(78,0) NOT NULL,
  gas_cost   numeric(78,0),
  value      numeric(78,0) NOT NULL DEFAULT 0,
  at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (chain_id, signer, nonce)
);
CREATE INDEX signer_spend_by_time ON signer_spend (chain_id, signer, at);

-- Differences that the reconciler found, one open row per subject and kind.
CREATE TABLE reconcile_findings (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain_id   bigint NOT NULL,
  kind       text NOT NULL,
  subject    text NOT NULL,
  detail     jsonb NOT NULL,
  repaired   boolean NOT NULL,
  first_at   timestamptz NOT NULL DEFAULT now(),
  last_at    timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz
);
CREATE UNIQUE INDEX reconcile_findings_open ON reconcile_findings (chain_id, kind, subject) WHERE resolved_at IS NULL;
`,
} as const;
