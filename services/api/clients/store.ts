import type { Kysely } from 'kysely';
import type { ApiDatabase } from '../database.ts';
import type { CredentialKind } from './tables.ts';

export interface ClientRecord {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly allowedSigners: readonly string[];
  readonly requestsPerMinute: number | null;
  readonly requestsPerDay: number | null;
  readonly requestsPerMonth: number | null;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
}

export interface CredentialRecord {
  readonly id: string;
  readonly clientId: string;
  readonly kind: CredentialKind;
  readonly label: string | null;
  readonly scopes: readonly string[] | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
  readonly lastUsedAt: Date | null;
}

export interface AuthenticationRecord extends CredentialRecord {
  readonly secretHash: Buffer;
  readonly client: ClientRecord;
}

type Db = Kysely<ApiDatabase>;

const CLIENT_COLUMNS = [
  'api_clients.id as id',
  'name',
  'api_clients.scopes as scopes',
  'allowed_signers as allowedSigners',
  'requests_per_minute as requestsPerMinute',
  'requests_per_day as requestsPerDay',
  'requests_per_month as requestsPerMonth',
  'api_clients.created_at as createdAt',
  'disabled_at as disabledAt',
] as const;

const CREDENTIAL_COLUMNS = [
  'id',
  'client_id as clientId',
  'kind',
  'label',
  'scopes',
  'created_at as createdAt',
  'expires_at as expiresAt',
  'revoked_at as revokedAt',
  'last_used_at as lastUsedAt',
] as const;

type RawClient = Omit<ClientRecord, 'requestsPerDay' | 'requestsPerMonth'> & {
  requestsPerDay: unknown;
  requestsPerMonth: unknown;
};
const toNumber = (value: unknown): number | null =>
  value === null || value === undefined ? null : Number(value);
/** Postgres answers bigint columns as text. */
const toClient = (row: RawClient): ClientRecord => ({
  ...row,
  requestsPerDay: toNumber(row.requestsPerDay),
  requestsPerMonth: toNumber(row.requestsPerMonth),
});

export type ClientStore = ReturnType<typeof createClientStore>;

/** SQL of API clients and their credentials. */
export function createClientStore(db: Db) {
  return {
    async insertClient(
      on: Db,
      client: Omit<ClientRecord, 'createdAt' | 'disabledAt'>,
      options: { replace?: boolean } = {},
    ): Promise<ClientRecord> {
      const values = {
        id: client.id,
        name: client.name,
        scopes: [...client.scopes],
        allowed_signers: [...client.allowedSigners],
        requests_per_minute: client.requestsPerMinute,
        requests_per_day: client.requestsPerDay,
        requests_per_month: client.requestsPerMonth,
        disabled_at: null,
      };
      let query = on.insertInto('api_clients').values(values);
      if (options.replace) query = query.onConflict((conflict) => conflict.column('id').doUpdateSet(values));
      return toClient(await query.returning(CLIENT_COLUMNS).executeTakeFirstOrThrow());
    },

    async findClient(id: string): Promise<ClientRecord | undefined> {
      const row = await db
        .selectFrom('api_clients')
        .select(CLIENT_COLUMNS)
        .where('id', '=', id)
        .executeTakeFirst();
      return row && toClient(row);
    },

    /** Oldest first, after the client named by `after`. */
    async listClients(after: string | undefined, limit: number): Promise<ClientRecord[]> {
      let query = db.selectFrom('api_clients').select(CLIENT_COLUMNS).orderBy('id').limit(limit);
      if (after !== undefined) query = query.where('id', '>', after);
      return (await query.execute()).map(toClient);
    },

    async disableClient(id: string, at: Date): Promise<boolean> {
      const result = await db
        .updateTable('api_clients')
        .set({ disabled_at: at })
        .where('id', '=', id)
        .where('disabled_at', 'is', null)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },

    async insertCredential(
      on: Db,
      credential: {
        id: string;
        clientId: string;
        kind: CredentialKind;
        secretHash: Buffer;
        label: string | null;
        scopes: readonly string[] | null;
        expiresAt: Date | null;
      },
      options: { replace?: boolean } = {},
    ): Promise<CredentialRecord> {
      const values = {
        id: credential.id,
        client_id: credential.clientId,
        kind: credential.kind,
        secret_hash: credential.secretHash,
        label: credential.label,
        scopes: credential.scopes ? [...credential.scopes] : null,
        expires_at: credential.expiresAt,
        revoked_at: null,
        last_used_at: null,
      };
      let query = on.insertInto('api_credentials').values(values);
      if (options.replace) query = query.onConflict((conflict) => conflict.column('id').doUpdateSet(values));
      return query.returning(CREDENTIAL_COLUMNS).executeTakeFirstOrThrow();
    },

    async listCredentials(clientId: string, kinds: readonly CredentialKind[]): Promise<CredentialRecord[]> {
      return db
        .selectFrom('api_credentials')
        .select(CREDENTIAL_COLUMNS)
        .where('client_id', '=', clientId)
        .where('kind', 'in', [...kinds])
        .orderBy('created_at', 'desc')
        .limit(100)
        .execute();
    },

    /** Sets the moment from which a credential is dead; an earlier end stays. */
    async endCredential(
      on: Db,
      clientId: string,
      id: string,
      change: { revokedAt?: Date; expiresAt?: Date },
    ): Promise<boolean> {
      let query = on.updateTable('api_credentials').where('client_id', '=', clientId).where('id', '=', id);
      if (change.revokedAt)
        query = query.set({ revoked_at: change.revokedAt }).where('revoked_at', 'is', null);
      if (change.expiresAt) {
        const end = change.expiresAt;
        query = query
          .set({ expires_at: end })
          .where('revoked_at', 'is', null)
          .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', end)]));
      }
      return (await query.executeTakeFirst()).numUpdatedRows > 0n;
    },

    /** Everything authentication needs, in one query. */
    async findForAuthentication(id: string): Promise<AuthenticationRecord | undefined> {
      const row = await db
        .selectFrom('api_credentials')
        .innerJoin('api_clients', 'api_clients.id', 'api_credentials.client_id')
        .select([
          'api_credentials.id as credentialId',
          'client_id as clientId',
          'kind',
          'secret_hash as secretHash',
          'label',
          'api_credentials.scopes as credentialScopes',
          'api_credentials.created_at as credentialCreatedAt',
          'expires_at as expiresAt',
          'revoked_at as revokedAt',
          'last_used_at as lastUsedAt',
          ...CLIENT_COLUMNS,
        ])
        .where('api_credentials.id', '=', id)
        .executeTakeFirst();
      if (!row) return undefined;
      const { credentialId, clientId, kind, secretHash, label, credentialScopes, credentialCreatedAt } = row;
      const { expiresAt, revokedAt, lastUsedAt, ...client } = row;
      return {
        id: credentialId,
        clientId,
        kind,
        secretHash,
        label,
        scopes: credentialScopes,
        createdAt: credentialCreatedAt,
        expiresAt,
        revokedAt,
        lastUsedAt,
        client: toClient({
          id: client.id,
          name: client.name,
          scopes: client.scopes,
          allowedSigners: client.allowedSigners,
          requestsPerMinute: client.requestsPerMinute,
          requestsPerDay: client.requestsPerDay,
          requestsPerMonth: client.requestsPerMonth,
          createdAt: client.createdAt,
          disabledAt: client.disabledAt,
        }),
      };
    },

    /** Remembers the last use, at most once a minute per credential so that reads stay reads. */
    async touch(id: string, at: Date): Promise<void> {
      await db
        .updateTable('api_credentials')
        .set({ last_used_at: at })
        .where('id', '=', id)
        .where((where) =>
          where.or([
            where('last_used_at', 'is', null),
            where('last_used_at', '<', new Date(at.getTime() - 60_000)),
          ]),
        )
        .execute();
    },

    /** Access tokens that ended long ago have no further use. */
    async deleteEndedTokens(before: Date): Promise<number> {
      const result = await db
        .deleteFrom('api_credentials')
        .where('kind', '=', 'access-token')
        .where('expires_at', '<', before)
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}
