import type { Generated } from 'kysely';

/** How often a caller used an operation on a UTC day, and how it went. */
export interface UsageDailyTable {
  principal: string;
  day: string;
  operation_id: string;
  status_class: number;
  requests: string | number;
  duration_ms: string | number;
}

/** What changed something: for audit. Opaque ids only; no bodies, no addresses, no names. */
export interface RequestLogTable {
  id: Generated<string>;
  at: Date;
  request_id: string;
  principal: string;
  credential: string | null;
  operation_id: string;
  status: number;
  duration_ms: number;
}

/** Usage for analysis; the caller is a keyed hash that changes each month. */
export interface AnalyticsEventTable {
  id: Generated<string>;
  at: Date;
  caller: string;
  caller_kind: string;
  operation_id: string;
  status: number;
  duration_ms: number;
}

export interface AnalyticsOptOutTable {
  principal: string;
  since: Generated<Date>;
}

export const telemetrySql = `
CREATE TABLE usage_daily (
  principal text NOT NULL,
  day date NOT NULL,
  operation_id text NOT NULL,
  status_class smallint NOT NULL,
  requests bigint NOT NULL,
  duration_ms bigint NOT NULL,
  PRIMARY KEY (principal, day, operation_id, status_class)
);
CREATE TABLE request_log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  request_id text NOT NULL,
  principal text NOT NULL,
  credential text,
  operation_id text NOT NULL,
  status smallint NOT NULL,
  duration_ms integer NOT NULL
);
CREATE INDEX request_log_principal ON request_log (principal, id);
CREATE TABLE analytics_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  caller text NOT NULL,
  caller_kind text NOT NULL,
  operation_id text NOT NULL,
  status smallint NOT NULL,
  duration_ms integer NOT NULL
);
CREATE INDEX analytics_events_at ON analytics_events USING brin (at);
CREATE TABLE analytics_opt_outs (
  principal text PRIMARY KEY,
  since timestamptz NOT NULL DEFAULT now()
);
`;
