import { AppError } from '../../../../lib/errors.ts';
import type { Random } from '../../../../lib/random.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { KeyNews } from './key-news.ts';
import { mintSecret, newKeyId } from './key-secret.ts';
import {
  endSecrets,
  findKey,
  insertKey,
  insertSecret,
  type KeyRecord,
  listSecrets,
  lockKey,
  revokeKey,
  type SecretRecord,
} from './key-store.ts';

export interface NewKey {
  readonly name: string;
  readonly chains: readonly number[] | null;
  readonly methods: readonly string[] | null;
  readonly access: 'read' | 'write';
  readonly priorities: readonly string[];
  readonly weight: number;
  readonly limit: { readonly unitsPerSecond: number; readonly burst: number } | null;
  readonly expiresAt: Date | null;
}

export interface KeyView {
  readonly key: KeyRecord;
  readonly secrets: readonly SecretRecord[];
}

export type KeyService = ReturnType<typeof createKeyService>;

/** What can be done to API keys. A secret leaves this service once, in the answer that creates it. */
export function createKeyService(deps: {
  postgres: GatewayPostgres;
  random: Pick<Random, 'bytes'>;
  news: KeyNews | undefined;
  /** Tells this process, which does not hear its own news when Redis is away. */
  onChange: (keyId: string) => void;
}) {
  const { postgres, random } = deps;
  const changed = (keyId: string): void => {
    deps.onChange(keyId);
    deps.news?.tell(keyId);
  };
  const view = async (key: KeyRecord): Promise<KeyView> => ({
    key,
    secrets: await listSecrets(postgres.db, [key.id]),
  });
  const missing = (id: string): AppError => new AppError('not_found', `There is no API key ${id}.`);

  return {
    async create(by: string, wanted: NewKey): Promise<KeyView & { token: string }> {
      const secret = mintSecret(random);
      const { limit, ...rest } = wanted;
      const key = {
        ...rest,
        id: newKeyId(random),
        unitsPerSecond: limit?.unitsPerSecond ?? null,
        burst: limit?.burst ?? null,
        createdBy: by,
      };
      await postgres.transaction(async (trx) => {
        if (!(await insertKey(trx, key))) {
          throw new AppError(
            'conflict',
            `There is a live key named "${wanted.name}" already. Its secret cannot be shown again: rotate it, or revoke it first.`,
          );
        }
        await insertSecret(trx, { ...secret, keyId: key.id });
      });
      const created = await findKey(postgres.db, key.id);
      if (created === undefined) throw missing(key.id);
      return { ...(await view(created)), token: secret.token };
    },

    async get(id: string): Promise<KeyView> {
      const key = await findKey(postgres.db, id);
      if (key === undefined) throw missing(id);
      return view(key);
    },

    /** A new secret; those before it go on for `overlapSeconds`. */
    async rotate(id: string, overlapSeconds: number): Promise<KeyView & { token: string }> {
      const secret = mintSecret(random);
      const key = await postgres.transaction(async (trx) => {
        const locked = await lockKey(trx, id);
        if (locked === undefined) throw missing(id);
        if (locked.revokedAt !== null)
          throw new AppError('conflict', `API key ${id} was revoked; a revoked key does not come back.`);
        await endSecrets(trx, id, overlapSeconds);
        await insertSecret(trx, { ...secret, keyId: id });
        return locked;
      });
      changed(id);
      return { ...(await view(key)), token: secret.token };
    },

    /** Revoking a revoked key changes nothing. */
    async revoke(id: string, by: string): Promise<KeyView> {
      await revokeKey(postgres.db, id, by);
      changed(id);
      return this.get(id);
    },
  };
}
