import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Principal } from '../../../lib/http/route.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { ConsoleDatabase } from '../database.ts';
import { fingerprintOf, type Operator } from './operators.ts';

export interface Session {
  readonly operator: Operator;
  /** Sent back in `x-csrf-token` with everything that changes something. */
  readonly csrf: string;
  readonly expiresAt: Date;
}

/** The session of somebody who is signed in. */
export function sessionOf(principal: Principal): Session {
  const session = principal.claims?.session;
  if (session === undefined) throw new Error(`${principal.kind} has no session`);
  return session as Session;
}

export interface Sessions {
  /** @returns the cookie's value, which is stored nowhere, and the session */
  open(operator: Operator): Promise<{ id: string; session: Session }>;
  find(id: string): Promise<Session | undefined>;
  end(id: string): Promise<void>;
  removeExpired(): Promise<void>;
}

/** Who steals the table cannot use what is in it. */
const hashOf = (id: string): string => createHash('sha256').update(id).digest('base64url');
/** An unused session ends earlier: this share of its whole life. */
const IDLE_SHARE = 1 / 8;
/** `seen_at` is exact to this share of the idle time; writing it with each request would be a write per event. */
const TOUCH_SHARE = 1 / 10;

export function createSessions(deps: {
  db: Kysely<ConsoleDatabase>;
  operators: ReadonlyMap<string, Operator>;
  lifeMs: number;
  clock: Pick<Clock, 'now'>;
  random: Pick<Random, 'token'>;
}): Sessions {
  const { db, operators, lifeMs, clock, random } = deps;
  const idleMs = lifeMs * IDLE_SHARE;
  return {
    async open(operator) {
      const id = random.token(32);
      const csrf = random.token(24);
      const now = new Date(clock.now());
      const expiresAt = new Date(clock.now() + lifeMs);
      await db
        .insertInto('sessions')
        .values({
          id_hash: hashOf(id),
          operator: operator.name,
          fingerprint: fingerprintOf(operator),
          csrf,
          created_at: now,
          seen_at: now,
          expires_at: expiresAt,
        })
        .execute();
      return { id, session: { operator, csrf, expiresAt } };
    },
    async find(id) {
      const row = await db
        .selectFrom('sessions')
        .selectAll()
        .where('id_hash', '=', hashOf(id))
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const operator = operators.get(row.operator);
      const now = clock.now();
      const over = row.expires_at.getTime() <= now || row.seen_at.getTime() + idleMs <= now;
      if (over || operator === undefined || fingerprintOf(operator) !== row.fingerprint) {
        await db.deleteFrom('sessions').where('id_hash', '=', row.id_hash).execute();
        return undefined;
      }
      if (now - row.seen_at.getTime() > idleMs * TOUCH_SHARE) {
        await db
          .updateTable('sessions')
          .set({ seen_at: new Date(now) })
          .where('id_hash', '=', row.id_hash)
          .execute();
      }
      return { operator, csrf: row.csrf, expiresAt: row.expires_at };
    },
    async end(id) {
      await db.deleteFrom('sessions').where('id_hash', '=', hashOf(id)).execute();
    },
    async removeExpired() {
      await db.deleteFrom('sessions').where('expires_at', '<', new Date(clock.now())).execute();
    },
  };
}
