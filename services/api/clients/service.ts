import type { Kysely } from 'kysely';
import { LRUCache } from 'lru-cache';
import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { ApiDatabase } from '../database.ts';
import { isScope, SCOPE_NAMES, type Scope } from '../governance/scopes.ts';
import { hashSecret, newCredential, parseCredential, secretMatches } from './secrets.ts';
import type { AuthenticationRecord, ClientRecord, ClientStore, CredentialRecord } from './store.ts';

/**
 * How long a verified credential is remembered, so that a busy client costs no query per call. It bounds how long a
 * credential revoked on another replica still works; on the replica that revoked it, it ends at once.
 */
const REMEMBER_MS = 2_000;
const REMEMBER_MAX = 10_000;
/** Access tokens of OAuth clients live this long (RFC 6749 section 4.2.2 `expires_in`). */
export const ACCESS_TOKEN_SECONDS = 600;
/** After rotation the old key works for this long by default, so that nobody has to deploy in one second. */
export const DEFAULT_ROTATION_OVERLAP_SECONDS = 24 * 3600;

export interface IssuedCredential {
  readonly credential: CredentialRecord;
  /** The only time the whole secret is seen. */
  readonly secret: string;
}

export type ClientService = ReturnType<typeof createClientService>;

/** Rules of API clients: who may call with which secret, for how long, with which scopes. */
export function createClientService(deps: {
  store: ClientStore;
  transaction: <T>(run: (trx: Kysely<ApiDatabase>) => Promise<T>) => Promise<T>;
  db: Kysely<ApiDatabase>;
  clock: Pick<Clock, 'now'>;
  random: Random;
  log: Logger;
}) {
  const { store, transaction, db, clock, random, log } = deps;
  const remembered = new LRUCache<string, AuthenticationRecord | 'unknown'>({
    max: REMEMBER_MAX,
    ttl: REMEMBER_MS,
    perf: { now: () => clock.now() },
  });

  async function lookUp(id: string): Promise<AuthenticationRecord | undefined> {
    const known = remembered.get(id);
    if (known !== undefined) return known === 'unknown' ? undefined : known;
    const record = await store.findForAuthentication(id);
    remembered.set(id, record ?? 'unknown');
    return record;
  }

  function scopesOf(record: AuthenticationRecord): ReadonlySet<Scope> {
    const ofClient = record.client.scopes.filter(isScope);
    const narrowed = record.scopes;
    return new Set(narrowed ? ofClient.filter((scope) => narrowed.includes(scope)) : ofClient);
  }

  /** @throws AppError invalid_token, expired_token */
  function requireAlive(record: AuthenticationRecord | undefined, secret: string): AuthenticationRecord {
    // One answer for unknown, wrong and revoked: a guesser learns nothing.
    if (
      !record ||
      !secretMatches(secret, record.secretHash) ||
      record.revokedAt ||
      record.client.disabledAt
    ) {
      throw new AppError('invalid_token', 'The credential is not valid or was revoked.');
    }
    if (record.expiresAt && record.expiresAt.getTime() <= clock.now()) {
      throw new AppError('expired_token', 'The credential has expired.');
    }
    return record;
  }

  const requireKnownClient = async (id: string): Promise<ClientRecord> => {
    const client = await store.findClient(id);
    if (!client) throw new AppError('not_found', `There is no client ${id}.`);
    return client;
  };

  const requireSubset = (client: ClientRecord, scopes: readonly string[] | null | undefined): void => {
    const beyond = (scopes ?? []).filter((scope) => !client.scopes.includes(scope));
    if (beyond.length === 0) return;
    throw new AppError('invalid_argument', `The client does not hold ${beyond.join(', ')}.`, {
      errors: [
        { pointer: '/scopes', rule: 'subset', detail: `scopes of the client: ${client.scopes.join(', ')}` },
      ],
    });
  };

  return {
    /**
     * Verifies `rjv_…` API keys and `rjvt_…` access tokens.
     * @throws AppError invalid_token, expired_token
     */
    async authenticate(text: string): Promise<Principal> {
      const parsed = parseCredential(text);
      if (!parsed || parsed.kind === 'oauth-secret') {
        throw new AppError('invalid_token', 'The credential is not an API key or access token of this API.');
      }
      const record = requireAlive(await lookUp(parsed.id), parsed.secret);
      if (record.kind !== parsed.kind)
        throw new AppError('invalid_token', 'The credential is not valid or was revoked.');
      void store.touch(record.id, new Date(clock.now())).catch((err: unknown) => {
        log.warn({ err, credentialId: record.id }, 'the last use of a credential was not saved');
      });
      return {
        kind: 'api-key',
        id: record.clientId,
        scopes: scopesOf(record),
        claims: {
          credentialId: record.id,
          allowedSigners: record.client.allowedSigners,
          limits: {
            perMinute: record.client.requestsPerMinute,
            perDay: record.client.requestsPerDay,
            perMonth: record.client.requestsPerMonth,
          },
        },
      };
    },

    /** @param on the transaction of the request, as for all that is issued: the effect and its recorded answer commit together. */
    async createClient(
      on: Kysely<ApiDatabase>,
      input: {
        name: string;
        scopes: readonly Scope[];
        allowedSigners: readonly string[];
        requestsPerMinute: number | null;
        requestsPerDay: number | null;
        requestsPerMonth: number | null;
      },
    ): Promise<ClientRecord> {
      return store.insertClient(on, { id: random.uuid(), ...input });
    },

    listClients: (after: string | undefined, limit: number) => store.listClients(after, limit),
    getClient: requireKnownClient,

    async disableClient(id: string): Promise<void> {
      await requireKnownClient(id);
      await store.disableClient(id, new Date(clock.now()));
      remembered.clear();
    },

    async listCredentials(clientId: string): Promise<CredentialRecord[]> {
      await requireKnownClient(clientId);
      return store.listCredentials(clientId, ['api-key', 'oauth-secret']);
    },

    /** Issues an API key or an OAuth client secret. */
    async issue(
      on: Kysely<ApiDatabase>,
      clientId: string,
      input: {
        kind: 'api-key' | 'oauth-secret';
        label: string | null;
        scopes: readonly Scope[] | null;
        expiresAt: Date | null;
      },
    ): Promise<IssuedCredential> {
      const client = await requireKnownClient(clientId);
      requireSubset(client, input.scopes);
      if (input.expiresAt && input.expiresAt.getTime() <= clock.now()) {
        throw new AppError('invalid_argument', 'A credential cannot expire in the past.', {
          errors: [{ pointer: '/expiresAt', rule: 'future', detail: 'a time after now' }],
        });
      }
      const made = newCredential(input.kind, random);
      const credential = await store.insertCredential(on, {
        id: made.id,
        clientId,
        secretHash: made.hash,
        ...input,
      });
      return { credential, secret: made.text };
    },

    /** A new secret beside the old one, which ends after `overlapSeconds`. */
    async rotate(
      on: Kysely<ApiDatabase>,
      clientId: string,
      credentialId: string,
      overlapSeconds: number,
    ): Promise<IssuedCredential> {
      const old = (await store.listCredentials(clientId, ['api-key', 'oauth-secret'])).find(
        (c) => c.id === credentialId,
      );
      if (!old || old.revokedAt) throw new AppError('not_found', 'There is no such live credential.');
      const made = newCredential(old.kind, random);
      await store.endCredential(on, clientId, credentialId, {
        expiresAt: new Date(clock.now() + overlapSeconds * 1000),
      });
      const credential = await store.insertCredential(on, {
        id: made.id,
        clientId,
        kind: old.kind,
        secretHash: made.hash,
        label: old.label,
        scopes: old.scopes,
        expiresAt: null,
      });
      remembered.delete(credentialId);
      return { credential, secret: made.text };
    },

    async revoke(clientId: string, credentialId: string): Promise<void> {
      const done = await store.endCredential(db, clientId, credentialId, {
        revokedAt: new Date(clock.now()),
      });
      remembered.delete(credentialId);
      if (!done) {
        const credentials = await store.listCredentials(clientId, [
          'api-key',
          'oauth-secret',
          'access-token',
        ]);
        if (!credentials.some((c) => c.id === credentialId))
          throw new AppError('not_found', 'There is no such credential.');
      }
    },

    /**
     * OAuth 2 client credentials grant (RFC 6749 section 4.4): an access token with at most the client's scopes.
     * @param requested space-separated scopes, or undefined for all of the client's.
     */
    async grantClientCredentials(
      clientId: string,
      clientSecret: string,
      requested: string | undefined,
    ): Promise<{ accessToken: string; expiresInSeconds: number; scope: string }> {
      const parsed = parseCredential(clientSecret);
      const record = parsed?.kind === 'oauth-secret' ? await lookUp(parsed.id) : undefined;
      const alive = requireAlive(record?.clientId === clientId ? record : undefined, parsed?.secret ?? '');
      const held = scopesOf(alive);
      const wanted =
        requested === undefined || requested === ''
          ? [...held]
          : requested.split(' ').filter((s) => s !== '');
      const beyond = wanted.filter((scope) => !held.has(scope as Scope));
      if (beyond.length > 0)
        throw new AppError('insufficient_scope', `The client does not hold ${beyond.join(', ')}.`);
      const made = newCredential('access-token', random);
      await store.insertCredential(db, {
        id: made.id,
        clientId,
        kind: 'access-token',
        secretHash: made.hash,
        label: null,
        scopes: wanted,
        expiresAt: new Date(clock.now() + ACCESS_TOKEN_SECONDS * 1000),
      });
      return { accessToken: made.text, expiresInSeconds: ACCESS_TOKEN_SECONDS, scope: wanted.join(' ') };
    },

    /** RFC 7009: a client ends one of its own tokens; an unknown one is not an error. */
    async revokeToken(clientId: string, clientSecret: string, token: string): Promise<void> {
      const parsed = parseCredential(clientSecret);
      const record = parsed?.kind === 'oauth-secret' ? await lookUp(parsed.id) : undefined;
      requireAlive(record?.clientId === clientId ? record : undefined, parsed?.secret ?? '');
      const target = parseCredential(token);
      if (target?.kind !== 'access-token') return;
      await store.endCredential(db, clientId, target.id, { revokedAt: new Date(clock.now()) });
      remembered.delete(target.id);
    },

    /**
     * The key of a fresh development stack, given by configuration; put in place at every start so that the
     * configuration stays its only truth.
     */
    async upsertBootstrapKey(key: string): Promise<void> {
      const parsed = parseCredential(key);
      if (parsed?.kind !== 'api-key') throw new Error('API_BOOTSTRAP_KEY must look like rjv_<id>_<secret>');
      await transaction(async (trx) => {
        await store.insertClient(
          trx,
          {
            id: 'bootstrap',
            name: 'Bootstrap key from the configuration',
            scopes: SCOPE_NAMES,
            allowedSigners: ['*'],
            requestsPerMinute: null,
            requestsPerDay: null,
            requestsPerMonth: null,
          },
          { replace: true },
        );
        await store.insertCredential(
          trx,
          {
            id: parsed.id,
            clientId: 'bootstrap',
            kind: 'api-key',
            secretHash: hashSecret(parsed.secret),
            label: 'bootstrap',
            scopes: null,
            expiresAt: null,
          },
          { replace: true },
        );
      });
    },
  };
}
