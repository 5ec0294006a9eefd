import { AppError } from '../../../lib/errors.ts';
import { isUniqueViolation } from '../../../lib/postgres.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { AccessTokens } from './access-tokens.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import { checkSiweMessage, type SiwePolicy } from './rules.ts';
import { formatSiweMessage } from './siwe-message.ts';
import type { authStore, NoncePurpose } from './store.ts';
import type { SignatureVerdict } from './wallet-signature.ts';

/** Time to read and sign a message, also on a hardware wallet. */
export const NONCE_LIFETIME_MS = 5 * 60_000;
/** Characters of a nonce: more than 128 bits of chance with letters and digits. */
const NONCE_CHARACTERS = 24;

/** What an access token of the app may do; the API gives a person's token everything that is hers. */
export const SESSION_SCOPE = 'app';

export interface Client {
  readonly device: string;
  readonly place: string;
}

export interface Challenge {
  readonly nonce: string;
  readonly expiresAt: Date;
  readonly domain: string;
  readonly uri: string;
  readonly chainIds: readonly number[];
  /** Ready to sign; only when the address was given. */
  readonly message?: string;
}

export interface Tokens {
  readonly personId: string;
  readonly sessionId: string;
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  readonly refreshToken: string;
  readonly refreshExpiresAt: Date;
}

interface OpenedSession {
  readonly session: { readonly id: string; readonly personId: string };
  readonly refreshToken: string;
  readonly refreshExpiresAt: Date;
}

export interface Auth {
  challenge(input: {
    purpose: NoncePurpose;
    personId?: string;
    address?: string;
    chainId?: number;
  }): Promise<Challenge>;
  /** Proves control of a wallet for `personId` and consumes the nonce, within `trx` of `use`. */
  proveAndUse<T>(
    input: { purpose: NoncePurpose; personId?: string; message: string; signature: string },
    use: (trx: Db, proved: { address: string; chainId: number; kind: 'eoa' | 'contract' }) => Promise<T>,
  ): Promise<T>;
  /** @throws AppError `invalid_request`, `invalid_argument`, `expired_token`, `invalid_signature`, `nonce_used` */
  signIn(input: { message: string; signature: string }, client: Client): Promise<Tokens & { isNew: boolean }>;
  refresh(refreshToken: string): Promise<Tokens>;
  tokensFor(opened: OpenedSession): Promise<Tokens>;
  prune(): Promise<number>;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Letters and digits only, as EIP-4361 asks; bytes that would favour some letters are thrown away. */
export function randomNonce(random: Pick<Random, 'bytes'>, length = NONCE_CHARACTERS): string {
  const limit = 256 - (256 % ALPHABET.length);
  let out = '';
  while (out.length < length) {
    for (const byte of random.bytes(length)) {
      if (byte < limit && out.length < length) out += ALPHABET[byte % ALPHABET.length];
    }
  }
  return out;
}

const STATEMENTS: Record<NoncePurpose, string> = {
  login: 'Sign in to Rejuve. This costs nothing and changes nothing on the chain.',
  link: 'Link this wallet to your Rejuve account. This costs nothing and changes nothing on the chain.',
  'step-up': 'Confirm a sensitive change of your Rejuve account. This costs nothing.',
};

export function createAuth(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof authStore;
  policy: SiwePolicy & { readonly uri: string };
  clock: Pick<Clock, 'now'>;
  random: Random;
  accessTokens: Pick<AccessTokens, 'sign'>;
  sessions: {
    open(trx: Db, input: { personId: string; method: string } & Client): Promise<OpenedSession>;
    refresh(token: string): Promise<OpenedSession>;
  };
  verifySignature: (input: {
    address: string;
    message: string;
    signature: string;
    chainId: number;
  }) => Promise<SignatureVerdict>;
  findPerson: (db: Db, address: string) => Promise<string | undefined>;
  createPerson: (trx: Db) => Promise<string>;
  linkWallet: (
    trx: Db,
    personId: string,
    proved: { address: string; chainId: number; kind: 'eoa' | 'contract' },
  ) => Promise<unknown>;
  /** Counts: method, outcome. */
  onSignIn: (method: string, outcome: string) => void;
}): Auth {
  const { postgres, store, policy, clock, random } = deps;
  const domain = policy.domains[0] as string;

  const auth: Auth = {
    async challenge({ purpose, personId, address, chainId = policy.chainIds[0] as number }) {
      if (!policy.chainIds.includes(chainId))
        throw new AppError(
          'invalid_argument',
          `Chain ${chainId} is not served here; use ${policy.chainIds.join(' or ')}.`,
          {
            errors: [
              { pointer: '/chainId', rule: 'chain', detail: `Expected ${policy.chainIds.join(' or ')}.` },
            ],
          },
        );
      const nonce = randomNonce(random);
      const issuedAt = new Date(clock.now());
      const expiresAt = new Date(clock.now() + NONCE_LIFETIME_MS);
      await store.insertNonce(postgres.db, {
        nonce,
        purpose,
        personId: personId ?? null,
        address: address ?? null,
        issuedAt,
        expiresAt,
      });
      const message =
        address === undefined
          ? {}
          : {
              message: formatSiweMessage({
                domain,
                address,
                statement: STATEMENTS[purpose],
                uri: policy.uri,
                chainId,
                nonce,
                issuedAt: issuedAt.toISOString(),
                expirationTime: expiresAt.toISOString(),
              }),
            };
      return { nonce, expiresAt, domain, uri: policy.uri, chainIds: policy.chainIds, ...message };
    },

    async proveAndUse({ purpose, personId, message, signature }, use) {
      const parsed = checkSiweMessage(message, policy, clock.now());
      const { address, chainId, nonce } = parsed;
      const verdict = await deps.verifySignature({ address, message, signature, chainId });
      if (!verdict.valid)
        throw new AppError(
          'invalid_signature',
          'The signature was not made by this address over this message.',
          {
            errors: [
              {
                pointer: '/signature',
                rule: 'signature',
                detail: 'Does not match the message and its address.',
              },
            ],
          },
        );
      return postgres.transaction(async (trx) => {
        const used = await store.useNonce(trx, nonce, purpose, new Date(clock.now()));
        const fits =
          used &&
          (used.personId ?? undefined) === personId &&
          (used.address === null || used.address === address);
        if (!fits)
          throw new AppError(
            'nonce_used',
            'The nonce was used, has expired, or was issued for something else; ask for a new one.',
          );
        return use(trx, { address, chainId, kind: verdict.kind });
      });
    },

    async signIn({ message, signature }, client) {
      const attempt = () =>
        auth.proveAndUse({ purpose: 'login', message, signature }, async (trx, proved) => {
          const known = await deps.findPerson(trx, proved.address);
          const personId = known ?? (await deps.createPerson(trx));
          if (known === undefined) await deps.linkWallet(trx, personId, proved);
          const opened = await deps.sessions.open(trx, { personId, method: 'wallet', ...client });
          return { opened, isNew: known === undefined };
        });
      try {
        const { opened, isNew } = await attempt().catch((error: unknown) => {
          // The same wallet signed in for the first time twice at once: the other one made the person.
          if (isUniqueViolation(error)) return attempt();
          throw error;
        });
        deps.onSignIn('wallet', isNew ? 'new' : 'known');
        return { ...(await auth.tokensFor(opened)), isNew };
      } catch (error) {
        deps.onSignIn('wallet', error instanceof AppError ? error.code : 'error');
        throw error;
      }
    },

    refresh: async (token) => auth.tokensFor(await deps.sessions.refresh(token)),

    async tokensFor(opened) {
      const { id: sessionId, personId } = opened.session;
      return {
        personId,
        sessionId,
        accessToken: await deps.accessTokens.sign({ personId, sessionId, scope: SESSION_SCOPE }),
        expiresInSeconds: ACCESS_TOKEN_SECONDS,
        refreshToken: opened.refreshToken,
        refreshExpiresAt: opened.refreshExpiresAt,
      };
    },

    prune: () => store.pruneNonces(postgres.db, new Date(clock.now())),
  };
  return auth;
}
