import type { ColumnType, Generated } from 'kysely';
import type { Migration } from '../../lib/migrate.ts';

export const SCHEMA = 'console';

export interface ConsoleDatabase {
  sessions: {
    id_hash: string;
    operator: string;
    fingerprint: string;
    csrf: string;
    created_at: Date;
    seen_at: Date;
    expires_at: Date;
  };
  audit: {
    id: Generated<string>;
    at: ColumnType<Date, Date | undefined>;
    operator: string;
    role: string;
    action: string;
    subject: string;
    outcome: string;
    detail: unknown;
    request_id: string;
  };
}

export const migrations: readonly Migration[] = [
  {
    id: '0001-sessions-and-audit',
    sql: `
CREATE TABLE sessions (
  id_hash     text PRIMARY KEY,
  operator    text NOT NULL,
  fingerprint text NOT NULL,
  csrf        text NOT NULL,
  created_at  timestamptz NOT NULL,
  seen_at     timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Written before the action and completed after it: an action without an end is one during which we died.
CREATE TABLE audit (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT now(),
  operator   text NOT NULL,
  role       text NOT NULL,
  action     text NOT NULL,
  subject    text NOT NULL,
  outcome    text NOT NULL,
  detail     jsonb NOT NULL DEFAULT '{}',
  request_id text NOT NULL
);
CREATE FUNCTION refuse_audit_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is never deleted from';
END $$;
CREATE TRIGGER audit_stays BEFORE DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_removal();
`,
  },
];
