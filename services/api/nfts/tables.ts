import type { Generated } from 'kysely';

/**
 * What a person agreed to and took back: what, who, to whom, for what, until when, signed how. Rows are only ever
 * added; the database refuses to change or remove one.
 */
export interface ConsentRecordTable {
  /** Order of recording: a revocation covers every grant with a lower number. */
  seq: Generated<string>;
  id: string;
  action: 'grant' | 'revoke';
  /** Wallet that owns the data, EIP-55. */
  owner: string;
  data_hash: string;
  product_id: string;
  requester_id: string;
  purpose: string | null;
  nonce: string | null;
  expiration_seconds: string | null;
  signature: string | null;
  /** Chain head when a revocation was recorded; grants up to it are covered. */
  head_block: string | null;
  /** Opaque name of the caller. */
  recorded_by: string;
  recorded_at: Generated<Date>;
}

/** Which transaction carried a grant; apart from the record, because it is learnt later. */
export interface ConsentTransactionTable {
  consent_id: string;
  transaction_id: string;
  transaction_hash: string | null;
}

export const consentsSql = `
CREATE TABLE consent_records (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE,
  action text NOT NULL CHECK (action IN ('grant', 'revoke')),
  owner text NOT NULL,
  data_hash text NOT NULL,
  product_id numeric(78, 0) NOT NULL,
  requester_id numeric(78, 0) NOT NULL,
  purpose text,
  nonce numeric(78, 0),
  expiration_seconds numeric(78, 0),
  signature text,
  head_block bigint,
  recorded_by text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX consent_records_permission ON consent_records (data_hash, product_id, requester_id, seq);
CREATE INDEX consent_records_owner ON consent_records (owner, seq);
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME;
END $$;
CREATE TRIGGER consent_records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_records
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TABLE consent_transactions (
  consent_id text PRIMARY KEY REFERENCES consent_records (id),
  transaction_id text NOT NULL,
  transaction_hash text
);
`;
