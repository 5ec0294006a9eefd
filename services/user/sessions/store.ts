import { sql } from 'kysely';
import { affected, type Db, first, rows } from '../shared/database.ts';

export interface SessionRow {
  readonly id: string;
  readonly personId: string;
  readonly method: string;
  readonly device: string;
  readonly place: string;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  readonly expiresAt: Date;
  readonly steppedUpAt: Date | null;
  readonly revokedAt: Date | null;
  readonly revokedReason: string | null;
}

export interface RefreshRow {
  readonly hash: Buffer;
  readonly sessionId: string;
  readonly usedAt: Date | null;
  readonly successor: Buffer | null;
}

const columns = sql.raw(`id, person_id as "personId", method, device, place, created_at as "createdAt",
  last_seen_at as "lastSeenAt", expires_at as "expiresAt", stepped_up_at as "steppedUpAt",
  revoked_at as "revokedAt", revoked_reason as "revokedReason"`);

export const sessionStore = {
  async insert(
    db: Db,
    s: Pick<SessionRow, 'id' | 'personId' | 'method' | 'device' | 'place' | 'createdAt' | 'expiresAt'>,
  ): Promise<void> {
    await sql`insert into sessions (id, person_id, method, device, place, created_at, last_seen_at, expires_at)
      values (${s.id}, ${s.personId}, ${s.method}, ${s.device}, ${s.place}, ${s.createdAt}, ${s.createdAt}, ${s.expiresAt})`.execute(
      db,
    );
  },

  get(db: Db, id: string): Promise<SessionRow | undefined> {
    return first(db, sql<SessionRow>`select ${columns} from sessions where id = ${id}`);
  },

  /** The session, its row locked: everything that rotates or revokes takes this lock first. */
  lock(db: Db, id: string): Promise<SessionRow | undefined> {
    return first(db, sql<SessionRow>`select ${columns} from sessions where id = ${id} for update`);
  },

  listActive(db: Db, personId: string, now: Date): Promise<SessionRow[]> {
    return rows(
      db,
      sql<SessionRow>`select ${columns} from sessions
        where person_id = ${personId} and revoked_at is null and expires_at > ${now}
        order by last_seen_at desc, id limit 200`,
    );
  },

  async touch(db: Db, id: string, now: Date, expiresAt: Date): Promise<void> {
    await sql`update sessions set last_seen_at = ${now}, expires_at = ${expiresAt} where id = ${id}`.execute(
      db,
    );
  },

  async stepUp(db: Db, id: string, now: Date): Promise<void> {
    await sql`update sessions set stepped_up_at = ${now} where id = ${id} and revoked_at is null`.execute(db);
  },

  /** @returns 0 when it was revoked before, is somebody else's, or does not exist. */
  revoke(db: Db, id: string, personId: string, now: Date, reason: string): Promise<number> {
    return affected(
      db,
      sql`update sessions set revoked_at = ${now}, revoked_reason = ${reason}
        where id = ${id} and person_id = ${personId} and revoked_at is null`,
    );
  },

  revokeAll(db: Db, personId: string, now: Date, reason: string, except?: string): Promise<number> {
    return affected(
      db,
      sql`update sessions set revoked_at = ${now}, revoked_reason = ${reason}
        where person_id = ${personId} and revoked_at is null and id is distinct from ${except ?? null}`,
    );
  },

  async insertRefresh(db: Db, hash: Buffer, sessionId: string, now: Date): Promise<void> {
    await sql`insert into refresh_tokens (hash, session_id, issued_at) values (${hash}, ${sessionId}, ${now})`.execute(
      db,
    );
  },

  findRefresh(db: Db, hash: Buffer): Promise<RefreshRow | undefined> {
    return first(
      db,
      sql<RefreshRow>`select hash, session_id as "sessionId", used_at as "usedAt", successor
        from refresh_tokens where hash = ${hash}`,
    );
  },

  async markRefreshUsed(db: Db, hash: Buffer, now: Date, successor: Buffer): Promise<void> {
    await sql`update refresh_tokens set used_at = coalesce(used_at, ${now}), successor = ${successor} where hash = ${hash}`.execute(
      db,
    );
  },

  async deleteRefresh(db: Db, hash: Buffer): Promise<void> {
    await sql`delete from refresh_tokens where hash = ${hash}`.execute(db);
  },

  /** Sessions that ended a while ago; their refresh tokens go with them. */
  prune(db: Db, before: Date, limit = 1_000): Promise<number> {
    return affected(
      db,
      sql`delete from sessions where id in (select id from sessions where expires_at < ${before} limit ${limit})`,
    );
  },
};
