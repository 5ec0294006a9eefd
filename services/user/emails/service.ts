import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../../lib/errors.ts';
import { isUniqueViolation } from '../../../lib/postgres.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { CodePurpose, EmailRow, emailStore } from './store.ts';

/** Time to find the message in a mailbox. */
export const CODE_LIFETIME_MS = 10 * 60_000;
/** Guesses per code: with six digits, five guesses hit with a chance of 1 in 200 000. */
export const MAX_ATTEMPTS = 5;
const DIGITS = 6;

export interface CodeChallenge {
  readonly challengeId: string;
  readonly expiresAt: Date;
}

export interface Emails {
  of(personId: string): Promise<EmailRow | undefined>;
  /** Sends a code. For a login with an unknown address nothing is sent, and the answer does not tell. */
  challenge(input: {
    purpose: CodePurpose;
    address?: string;
    personId?: string;
    locale?: string;
  }): Promise<CodeChallenge>;
  /**
   * Checks a code and runs `use` in the same transaction; the code is used up only when that commits.
   * @throws AppError `invalid_token` when it is wrong, used, too old, or guessed too often.
   */
  redeem<T>(
    input: { purpose: CodePurpose; challengeId: string; code: string; personId?: string },
    use: (trx: Db, found: { personId: string; address: string }) => Promise<T>,
  ): Promise<T>;
  /** Stores the confirmed address. @throws AppError `conflict` when another account has it. */
  confirm(trx: Db, personId: string, address: string): Promise<void>;
  remove(personId: string): Promise<void>;
  block(address: string, reason: string): Promise<boolean>;
  hasUsable(db: Db, personId: string): Promise<boolean>;
  prune(): Promise<number>;
}

/** Uniform digits: bytes above the last full 250 are thrown away. */
export function randomDigits(random: Pick<Random, 'bytes'>, count = DIGITS): string {
  let out = '';
  while (out.length < count)
    for (const byte of random.bytes(count)) if (byte < 250 && out.length < count) out += byte % 10;
  return out;
}

export function createEmails(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof emailStore;
  clock: Pick<Clock, 'now'>;
  random: Random;
  /** Keys the hashes of codes: six digits alone could be tried out by whoever reads the table. */
  pepper: string;
  /** Hands a message to the delivery queue, within the transaction. */
  send: (
    trx: Db,
    mail: {
      personId: string | null;
      address: string;
      purpose: CodePurpose;
      code: string;
      locale: string;
      expiresAt: Date;
    },
  ) => Promise<void>;
}): Emails {
  const { postgres, store, clock, random, pepper, send } = deps;
  const hashOf = (id: string, code: string): Buffer =>
    createHmac('sha256', pepper).update(`${id}\n${code}`).digest();
  const refused = (): AppError =>
    new AppError(
      'invalid_token',
      'The code is wrong, was used, or has expired; ask for a new one after five wrong guesses.',
    );

  return {
    of: (personId) => store.ofPerson(postgres.db, personId),

    async challenge({ purpose, address, personId, locale = 'en' }) {
      const id = random.uuid();
      const code = randomDigits(random);
      const expiresAt = new Date(clock.now() + CODE_LIFETIME_MS);
      await postgres.transaction(async (trx) => {
        const known =
          purpose === 'confirm'
            ? undefined
            : personId
              ? await store.ofPerson(trx, personId)
              : await store.byAddress(trx, address ?? '');
        const to = purpose === 'confirm' ? address : known?.address;
        const owner = purpose === 'confirm' ? (personId ?? null) : (known?.personId ?? null);
        if (purpose === 'step-up' && to === undefined)
          throw new AppError('conflict', 'There is no confirmed e-mail address on this account.');
        await store.insertCode(
          trx,
          { id, purpose, personId: owner, address: to ?? '', codeHash: hashOf(id, code), expiresAt },
          new Date(clock.now()),
        );
        if (to !== undefined && owner !== null)
          await send(trx, { personId: owner, address: to, purpose, code, locale, expiresAt });
      });
      return { challengeId: id, expiresAt };
    },

    async redeem({ purpose, challengeId, code, personId }, use) {
      // Wrong guesses are counted in a transaction of their own, so that the refusal does not undo the count.
      const right = await postgres.transaction(async (trx) => {
        const row = await store.lockCode(trx, challengeId);
        if (
          !row ||
          row.usedAt ||
          row.purpose !== purpose ||
          row.attempts >= MAX_ATTEMPTS ||
          row.expiresAt.getTime() <= clock.now()
        )
          return false;
        await store.countAttempt(trx, challengeId);
        return timingSafeEqual(row.codeHash, hashOf(challengeId, code)) && row.personId !== null;
      });
      if (!right) throw refused();
      return postgres.transaction(async (trx) => {
        const row = await store.lockCode(trx, challengeId);
        if (
          !row ||
          row.usedAt ||
          row.personId === null ||
          (personId !== undefined && row.personId !== personId)
        )
          throw refused();
        await store.useCode(trx, challengeId, new Date(clock.now()));
        return use(trx, { personId: row.personId, address: row.address });
      });
    },

    async confirm(trx, personId, address) {
      try {
        await store.put(trx, personId, address, new Date(clock.now()));
      } catch (error) {
        if (isUniqueViolation(error, 'email_addresses_address'))
          throw new AppError(
            'conflict',
            'This address belongs to another account; sign in there to remove it first.',
            { cause: error },
          );
        throw error;
      }
    },

    async remove(personId) {
      await store.remove(postgres.db, personId);
    },
    block: async (address, reason) =>
      (await store.block(postgres.db, address, reason, new Date(clock.now()))) > 0,
    hasUsable: async (db, personId) => {
      const row = await store.ofPerson(db, personId);
      return row !== undefined && row.blockedAt === null;
    },
    prune: () => store.pruneCodes(postgres.db, new Date(clock.now())),
  };
}
