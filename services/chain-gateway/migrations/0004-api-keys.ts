/** API keys: what each may do, and the hashes of the secrets that stand for it (more than one while it is rotated). */
export const apiKeysMigration = {
  id: '0004-api-keys',
  sql: `
CREATE TABLE api_keys (
  id               text PRIMARY KEY,
  name             text NOT NULL,
  chains           bigint[],
  methods          text[],
  access           text NOT NULL CHECK (access IN ('read', 'write')),
  priorities       text[] NOT NULL CHECK (cardinality(priorities) > 0),
  weight           integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100),
  units_per_second bigint CHECK (units_per_second > 0),
  burst            bigint CHECK (burst > 0),
  created_by       text NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  expires_at       timestamptz,
  revoked_by       text,
  revoked_at       timestamptz,
  CHECK ((units_per_second IS NULL) = (burst IS NULL))
);
-- A create that is sent again after a lost answer meets its own key instead of making a second one.
CREATE UNIQUE INDEX api_keys_live_name ON api_keys (name) WHERE revoked_at IS NULL;

CREATE TABLE api_key_secrets (
  id           text PRIMARY KEY,
  key_id       text NOT NULL REFERENCES api_keys (id),
  hash         bytea NOT NULL CHECK (octet_length(hash) = 32),
  created_at   timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz,
  last_used_at timestamptz
);
CREATE INDEX api_key_secrets_by_key ON api_key_secrets (key_id, created_at);
`,
} as const;
