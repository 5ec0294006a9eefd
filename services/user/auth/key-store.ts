import { sql } from 'kysely';
import type { Sealer } from '../../../lib/sealing.ts';
import {
  type KeyStore,
  openSigningKey,
  SIGNING_KEY_PURPOSE,
  type SigningKey,
} from '../../../lib/signing-keys.ts';
import { rows, type UserPostgres } from '../shared/database.ts';

interface KeyRow {
  kid: string;
  sealed_private_key: string;
  signs_from: Date;
  retired_at: Date;
}

/** Keys in Postgres, their private parts sealed: all replicas share them, and rotate by themselves. */
export function postgresKeyStore(postgres: UserPostgres, sealer: Sealer): KeyStore {
  return {
    loadOrCreate: (now, lacks, make) =>
      postgres.transaction(async (trx) => {
        const read = async (): Promise<SigningKey[]> =>
          (
            await rows(
              trx,
              sql<KeyRow>`select kid, sealed_private_key, signs_from, retired_at from signing_keys
                where retired_at > ${new Date(now)}`,
            )
          ).map((row) => openSigningKey(row, sealer));
        const known = await read();
        if (!lacks(known)) return known;
        await sql`lock table signing_keys in share row exclusive mode`.execute(trx);
        const again = await read();
        if (!lacks(again)) return again;
        const made = await make(again);
        await sql`insert into signing_keys (kid, sealed_private_key, public_jwk, signs_from, retired_at)
          values (${made.kid}, ${sealer.seal(SIGNING_KEY_PURPOSE, JSON.stringify(made.privateJwk))},
            ${JSON.stringify(made.publicJwk)}::jsonb, ${new Date(made.signsFrom)}, ${new Date(made.retiredAt)})`.execute(
          trx,
        );
        return [...again, made];
      }),
  };
}
