import type { Generated } from 'kysely';

/** A party that calls with credentials of its own: a partner, an internal service, the backend of the app. */
export interface ApiClientTable {
  id: string;
  name: string;
  scopes: string[];
  allowed_signers: string[];
  requests_per_minute: number | null;
  requests_per_day: number | null;
  requests_per_month: number | null;
  created_at: Generated<Date>;
  disabled_at: Date | null;
}

export type CredentialKind = 'api-key' | 'oauth-secret' | 'access-token';

/** A secret of a client; only its hash is kept. */
export interface ApiCredentialTable {
  id: string;
  client_id: string;
  kind: CredentialKind;
  secret_hash: Buffer;
  label: string | null;
  /** Narrower than the client's scopes, or null for all of them. */
  scopes: string[] | null;
  created_at: Generated<Date>;
  expires_at: Date | null;
  revoked_at: Date | null;
  last_used_at: Date | null;
}

export const clientsSql = `
CREATE TABLE api_clients (
  id text PRIMARY KEY,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  scopes text[] NOT NULL,
  allowed_signers text[] NOT NULL DEFAULT '{}',
  requests_per_minute integer CHECK (requests_per_minute > 0),
  requests_per_day bigint CHECK (requests_per_day > 0),
  requests_per_month bigint CHECK (requests_per_month > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  disabled_at timestamptz
);
CREATE TABLE api_credentials (
  id text PRIMARY KEY,
  client_id text NOT NULL REFERENCES api_clients(id),
  kind text NOT NULL CHECK (kind IN ('api-key', 'oauth-secret', 'access-token')),
  secret_hash bytea NOT NULL,
  label text,
  scopes text[],
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
CREATE INDEX api_credentials_client ON api_credentials (client_id, id);
CREATE INDEX api_credentials_expiry ON api_credentials (expires_at) WHERE kind = 'access-token';
`;
