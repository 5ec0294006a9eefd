import { createHash } from 'node:crypto';
import { AppError } from '../../../lib/errors.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { SessionRow, sessionStore } from './store.ts';

/** A session ends when it was not refreshed for this long. */
export const SESSION_IDLE_MS = 30 * 24 * 60 * 60_000;
/**
 * A client whose answer got lost repeats its refresh at once. Within this time, and only while the token it should
 * have received was never used, it gets another one; after it, a repeated token means that two parties hold it.
 */
export const LOST_ANSWER_GRACE_MS = 10_000;
/** A sensitive action needs a fresh proof of the wallet or e-mail, at most this old. */
export const STEP_UP_MS = 10 * 60_000;

export interface Opened {
  readonly session: Pick<SessionRow, 'id' | 'personId'>;
  readonly refreshToken: string;
  readonly refreshExpiresAt: Date;
}

export interface Sessions {
  open(trx: Db, input: { personId: string; method: string; device: string; place: string }): Promise<Opened>;
  /** @throws AppError `invalid_token`, `session_revoked`, `refresh_token_reused` */
  refresh(token: string): Promise<Opened>;
  /** Ends the session that the refresh token belongs to; an unknown token is no error. */
  endByRefreshToken(token: string): Promise<void>;
  /** @throws AppError `session_revoked` */
  requireActive(sessionId: string, personId: string): Promise<SessionRow>;
  list(personId: string): Promise<SessionRow[]>;
  /** @throws AppError `not_found` */
  revoke(personId: string, sessionId: string): Promise<void>;
  revokeAll(personId: string, except?: string): Promise<number>;
  markSteppedUp(trx: Db, sessionId: string): Promise<void>;
  isSteppedUp(session: Pick<SessionRow, 'steppedUpAt' | 'createdAt'>): boolean;
  prune(): Promise<number>;
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

export function createSessions(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof sessionStore;
  clock: Pick<Clock, 'now'>;
  random: Random;
  /** Tells the person, in the transaction that revokes the family. */
  onReuse: (trx: Db, session: SessionRow) => Promise<void>;
  /** Counts what happened: `rotated`, `repeated`, `reused`, `unknown`, `revoked`. */
  onRefresh: (outcome: string) => void;
}): Sessions {
  const { postgres, store, clock, random, onReuse, onRefresh } = deps;
  const now = (): Date => new Date(clock.now());

  const issue = async (trx: Db, sessionId: string): Promise<{ token: string; hash: Buffer }> => {
    const token = random.token(32);
    const hash = hashOf(token);
    await store.insertRefresh(trx, hash, sessionId, now());
    return { token, hash };
  };
  const closed = (session: SessionRow | undefined): AppError | undefined =>
    !session || session.revokedAt !== null || session.expiresAt.getTime() <= clock.now()
      ? new AppError('session_revoked', 'The session has ended; sign in again.')
      : undefined;

  return {
    async open(trx, input) {
      const id = random.uuid();
      const expiresAt = new Date(clock.now() + SESSION_IDLE_MS);
      await store.insert(trx, { id, ...input, createdAt: now(), expiresAt });
      const { token } = await issue(trx, id);
      return { session: { id, personId: input.personId }, refreshToken: token, refreshExpiresAt: expiresAt };
    },

    async refresh(token) {
      const hash = hashOf(token);
      // The refusal is returned and thrown after the commit: throwing inside would undo the revocation.
      const outcome = await postgres.transaction(async (trx): Promise<Opened | AppError> => {
        const found = await store.findRefresh(trx, hash);
        if (!found) {
          onRefresh('unknown');
          return new AppError('invalid_token', 'The refresh token is not valid; sign in again.');
        }
        const session = await store.lock(trx, found.sessionId);
        const known = await store.findRefresh(trx, hash);
        const refusal = closed(session);
        if (refusal || !session || !known) {
          onRefresh('revoked');
          return refusal ?? new AppError('invalid_token', 'The refresh token is not valid; sign in again.');
        }
        if (known.usedAt) {
          const successor = known.successor ? await store.findRefresh(trx, known.successor) : undefined;
          const lost =
            clock.now() - known.usedAt.getTime() <= LOST_ANSWER_GRACE_MS &&
            successor !== undefined &&
            !successor.usedAt;
          if (!lost) {
            await store.revoke(trx, session.id, session.personId, now(), 'refresh token reused');
            await onReuse(trx, session);
            onRefresh('reused');
            return new AppError(
              'refresh_token_reused',
              'This refresh token was used before. The session was closed in case it was stolen; sign in again.',
            );
          }
          await store.deleteRefresh(trx, successor.hash);
        }
        const next = await issue(trx, session.id);
        await store.markRefreshUsed(trx, hash, now(), next.hash);
        const expiresAt = new Date(clock.now() + SESSION_IDLE_MS);
        await store.touch(trx, session.id, now(), expiresAt);
        onRefresh(known.usedAt ? 'repeated' : 'rotated');
        return { session, refreshToken: next.token, refreshExpiresAt: expiresAt };
      });
      if (outcome instanceof AppError) throw outcome;
      return outcome;
    },

    async endByRefreshToken(token) {
      const found = await store.findRefresh(postgres.db, hashOf(token));
      const session = found && (await store.get(postgres.db, found.sessionId));
      if (session) await store.revoke(postgres.db, session.id, session.personId, now(), 'signed out');
    },

    async requireActive(sessionId, personId) {
      const session = await store.get(postgres.db, sessionId);
      const refusal = closed(session);
      if (refusal || !session || session.personId !== personId)
        throw refusal ?? new AppError('session_revoked', 'The session has ended; sign in again.');
      return session;
    },

    list: (personId) => store.listActive(postgres.db, personId, now()),

    async revoke(personId, sessionId) {
      if ((await store.revoke(postgres.db, sessionId, personId, now(), 'revoked by the person')) === 0)
        throw new AppError('not_found', 'There is no open session with this id.');
    },

    revokeAll: (personId, except) =>
      store.revokeAll(postgres.db, personId, now(), 'revoked by the person', except),

    markSteppedUp: (trx, sessionId) => store.stepUp(trx, sessionId, now()),

    isSteppedUp: (session) =>
      clock.now() - Math.max(session.steppedUpAt?.getTime() ?? 0, session.createdAt.getTime()) <= STEP_UP_MS,

    prune: () => store.prune(postgres.db, new Date(clock.now() - SESSION_IDLE_MS)),
  };
}
