import { LRUCache } from 'lru-cache';
import type { Logger } from '../../../../lib/log.ts';
import type { Clock } from '../../../../lib/time.ts';
import { gatewayError, RPC_ERROR } from '../../rpc/errors.ts';
import type { RpcPriority } from '../../rpc/ethereum-rpc.ts';
import type { Identified } from '../../rpc/http-handler.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';
import type { CredentialReader } from '../identify.ts';
import type { Principal, PrincipalScope } from '../principal.ts';
import { hashSecret, isKeyToken, parseKeyToken, sameHash } from './key-secret.ts';
import type { KeyRecord, SecretRecord } from './key-store.ts';

/** Known keys are read again this often while news of revocations arrive: news may get lost, a read does not. */
const RECHECK_MS = 15_000;
/** ... and this often while they do not (Redis away, or none): then it is the bound on how late a revocation is. */
const RECHECK_WITHOUT_NEWS_MS = 1_000;
/** A key that could not be read again for this long is refused: nobody knows whether it was revoked. */
const LONGEST_UNCHECKED_MS = 60_000;
/** Secret ids that do not exist are remembered, so that guessing does not reach the database each time. */
const UNKNOWN_FOR_MS = 5_000;
const MOST_KNOWN = 20_000;
const MOST_UNKNOWN = 10_000;
/** Keys that nobody used for this long are not read again and forgotten. */
const FORGET_MS = 300_000;
const FLUSH_MS = 5_000;

export interface KeyRing extends CredentialReader {
  /** Something happened to a key (undefined: to any): it is read again at once. */
  onNews(keyId: string | undefined): void;
  stop(): Promise<void>;
}

export interface KeyRingDeps {
  readonly load: (secretIds: readonly string[]) => Promise<{ keys: KeyRecord[]; secrets: SecretRecord[] }>;
  readonly touch: (used: readonly { id: string; at: Date }[]) => Promise<void>;
  /** True while news of revocations would arrive. */
  readonly hearsNews: () => boolean;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
}

/** One secret of a key as this process knows it. */
interface Known {
  readonly secret: SecretRecord;
  key: KeyRecord;
  secretExpiresAt: number;
  readonly identified: Identified;
  /** The whole token, once its hash was compared: comparing strings is cheaper than hashing per call. */
  token: string | undefined;
  checkedAt: number;
  usedAt: number;
  touched: boolean;
  gone: boolean;
  /** There were news while it was being read: the next look reads it again. */
  doubtful: boolean;
}

const refused = (message: string): Identified => ({ status: 401, message });
const MALFORMED = refused(
  'this is no API key: it looks like rjg_<16 hex digits>_<43 characters>, and was it copied whole?',
);
const UNKNOWN = refused('the API key is not known; it may have been mistyped, or its rotation is over');

/**
 * API keys as this process knows them: read from Postgres when first seen, then kept. A revocation reaches every
 * process at once as news, and within {@link RECHECK_WITHOUT_NEWS_MS} when there are no news.
 */
export function createKeyRing(deps: KeyRingDeps): KeyRing {
  const { clock, log } = deps;
  const known = new LRUCache<string, Known>({ max: MOST_KNOWN });
  const unknown = new LRUCache<string, number>({ max: MOST_UNKNOWN });
  let news = 0;
  const loading = new Map<string, Promise<Known | undefined>>();

  function checkOf(entry: () => Known): () => RpcFailure | undefined {
    return () => {
      const { key, secret, secretExpiresAt, checkedAt, gone } = entry();
      const now = clock.now();
      if (key.revokedAt !== null || gone) {
        return unauthorized('revoked', `API key ${key.id} was revoked`);
      }
      if (key.expiresAt !== null && now >= key.expiresAt.getTime())
        return unauthorized('expired', `API key ${key.id} expired at ${key.expiresAt.toISOString()}`);
      if (now >= secretExpiresAt)
        return unauthorized(
          'rotated',
          `this secret of API key ${secret.keyId} was replaced; use the new one`,
        );
      if (clock.monotonic() - checkedAt > LONGEST_UNCHECKED_MS)
        return gatewayError(RPC_ERROR.noProvider, 'API keys cannot be verified at the moment', {
          retryAfterSeconds: 1,
        });
      return undefined;
    };
  }
  const remember = (key: KeyRecord, secret: SecretRecord): Known => {
    const before = known.get(secret.id);
    const now = clock.monotonic();
    const secretExpiresAt = secret.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    if (before !== undefined) {
      // Two reads may overtake each other; nothing that ended comes back.
      if (before.key.revokedAt === null) before.key = key;
      before.secretExpiresAt = Math.min(before.secretExpiresAt, secretExpiresAt);
      before.doubtful = false;
      before.checkedAt = now;
      return before;
    }
    const entry: Known = {
      secret,
      key,
      secretExpiresAt,
      identified: {
        principal: principalOf(
          key,
          checkOf(() => entry),
        ),
      },
      token: undefined,
      checkedAt: now,
      usedAt: now,
      touched: true,
      gone: false,
      doubtful: false,
    };
    known.set(secret.id, entry);
    return entry;
  };
  const load = (id: string): Promise<Known | undefined> => {
    const running = loading.get(id);
    if (running !== undefined) return running;
    const newsBefore = news;
    const started = deps
      .load([id])
      .then(({ keys: [key], secrets: [secret] }) => {
        if (key === undefined || secret === undefined) return undefined;
        const entry = remember(key, secret);
        entry.doubtful = news !== newsBefore;
        return entry;
      })
      .finally(() => loading.delete(id));
    loading.set(id, started);
    return started;
  };

  const judge = (entry: Known, token: string, secret: string): Identified => {
    if (entry.token !== token) {
      if (!sameHash(hashSecret(secret), entry.secret.hash)) return UNKNOWN;
      entry.token = token;
    }
    entry.usedAt = clock.monotonic();
    entry.touched = true;
    if (!('principal' in entry.identified)) return entry.identified;
    const problem = entry.identified.principal.check?.();
    if (problem === undefined) return entry.identified;
    return { status: problem.code === RPC_ERROR.noProvider ? 503 : 401, message: problem.message };
  };

  const recheck = async (entries: readonly Known[]): Promise<void> => {
    if (entries.length === 0) return;
    try {
      const { keys, secrets } = await deps.load(entries.map(({ secret }) => secret.id));
      const byId = new Map(keys.map((key) => [key.id, key]));
      const seen = new Set<string>();
      for (const secret of secrets) {
        const key = byId.get(secret.keyId);
        if (key === undefined) continue;
        remember(key, secret);
        seen.add(secret.id);
      }
      for (const entry of entries) if (!seen.has(entry.secret.id)) entry.gone = true;
    } catch (error) {
      log.warn({ err: error }, 'API keys could not be read again; they are used as they were known');
    }
  };
  let flushedAt = clock.monotonic();
  const flush = async (): Promise<void> => {
    flushedAt = clock.monotonic();
    const used: { id: string; at: Date }[] = [];
    for (const entry of known.values()) {
      if (!entry.touched || entry.token === undefined) continue;
      entry.touched = false;
      used.push({ id: entry.secret.id, at: new Date(clock.now() - (clock.monotonic() - entry.usedAt)) });
    }
    if (used.length > 0) {
      await deps
        .touch(used)
        .catch((error: unknown) => log.warn({ err: error }, 'last use of API keys was not noted'));
    }
  };
  let busy = false;
  const timer = clock.setInterval(() => {
    if (busy) return;
    const now = clock.monotonic();
    const after = deps.hearsNews() ? RECHECK_MS : RECHECK_WITHOUT_NEWS_MS;
    const stale: Known[] = [];
    for (const entry of known.values()) {
      if (now - entry.usedAt > FORGET_MS && !entry.touched) known.delete(entry.secret.id);
      // A little early: this timer comes around only so often.
      else if (entry.doubtful || now - entry.checkedAt >= after - RECHECK_WITHOUT_NEWS_MS / 2)
        stale.push(entry);
    }
    busy = true;
    void recheck(stale)
      .then(() => (now - flushedAt >= FLUSH_MS ? flush() : undefined))
      .finally(() => {
        busy = false;
      });
  }, RECHECK_WITHOUT_NEWS_MS / 2);

  return {
    read(token) {
      if (!isKeyToken(token)) return undefined;
      const parsed = parseKeyToken(token);
      if (parsed === undefined) return MALFORMED;
      const entry = known.get(parsed.id);
      if (entry !== undefined) return judge(entry, token, parsed.secret);
      const until = unknown.get(parsed.id);
      if (until !== undefined && clock.monotonic() < until) return UNKNOWN;
      return load(parsed.id).then(
        (found) => {
          if (found !== undefined) return judge(found, token, parsed.secret);
          unknown.set(parsed.id, clock.monotonic() + UNKNOWN_FOR_MS);
          return UNKNOWN;
        },
        (error: unknown) => {
          log.warn({ err: error }, 'an API key could not be looked up');
          return { status: 503, message: 'API keys cannot be verified at the moment' };
        },
      );
    },
    onNews(keyId) {
      news++;
      void recheck([...known.values()].filter(({ key }) => keyId === undefined || key.id === keyId));
    },
    async stop() {
      timer.cancel();
      await flush();
    },
  };
}

function principalOf(key: KeyRecord, check: () => RpcFailure | undefined): Principal {
  const scope: PrincipalScope = {
    access: key.access,
    ...(key.chains === null ? {} : { chains: new Set(key.chains) }),
    ...(key.methods === null ? {} : { methods: key.methods }),
  };
  return {
    kind: 'api-key',
    id: `key:${key.id}`,
    scope,
    priorities: key.priorities as readonly string[] as readonly [RpcPriority, ...RpcPriority[]],
    weight: key.weight,
    limit:
      key.unitsPerSecond === null || key.burst === null
        ? undefined
        : { unitsPerSecond: key.unitsPerSecond, burst: key.burst },
    account: undefined,
    check,
  };
}

function unauthorized(reason: string, message: string): RpcFailure {
  return gatewayError(RPC_ERROR.unauthorized, message, { data: JSON.stringify({ reason: `key_${reason}` }) });
}
