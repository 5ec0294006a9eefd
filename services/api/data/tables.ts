import type { Generated } from 'kysely';

/** How far a consumer of the gateway's event log has come. */
export interface EventCursorTable {
  consumer: string;
  seq: string;
  updated_at: Generated<Date>;
}

export const eventCursorsSql = `
CREATE TABLE event_cursors (
  consumer text PRIMARY KEY,
  seq text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
`;
