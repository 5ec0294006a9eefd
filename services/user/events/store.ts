import { sql } from 'kysely';
import { type Db, first } from '../shared/database.ts';

export interface Cursor {
  readonly seq: number;
  readonly blockNumber: number;
  readonly blockTime: Date | null;
}

const columns = sql.raw(`seq, block_number as "blockNumber", block_time as "blockTime"`);

/** How far the event log was consumed. The row is the lock: who holds it moves the world, who shares it stops it. */
export const cursorStore = {
  async read(db: Db, consumer: string): Promise<Cursor> {
    const row = await first(
      db,
      sql<Cursor>`select ${columns} from event_cursors where consumer = ${consumer}`,
    );
    if (!row) throw new Error(`there is no event cursor named ${consumer}`);
    return row;
  },

  /** For the consumer's transaction: nobody else moves it or pins it until the commit. */
  async lock(db: Db, consumer: string): Promise<Cursor> {
    const row = await first(
      db,
      sql<Cursor>`select ${columns} from event_cursors where consumer = ${consumer} for update`,
    );
    if (!row) throw new Error(`there is no event cursor named ${consumer}`);
    return row;
  },

  /** For transactions that must know exactly which events were applied before them. */
  async pin(db: Db, consumer: string): Promise<Cursor> {
    const row = await first(
      db,
      sql<Cursor>`select ${columns} from event_cursors where consumer = ${consumer} for share`,
    );
    if (!row) throw new Error(`there is no event cursor named ${consumer}`);
    return row;
  },

  async move(
    db: Db,
    consumer: string,
    to: { seq: number; blockNumber: number; blockTime: Date },
    now: Date,
  ): Promise<void> {
    await sql`update event_cursors set seq = ${to.seq}, block_number = greatest(block_number, ${to.blockNumber}),
      block_time = ${to.blockTime}, moved_at = ${now} where consumer = ${consumer}`.execute(db);
  },
};
