import { sql } from 'kysely';
import type { Sealer } from '../../../../lib/sealing.ts';
import {
  type KeyStore,
  openSigningKey,
  SIGNING_KEY_PURPOSE,
  type SigningKey,
} from '../../../../lib/signing-keys.ts';
import type { GatewayPostgres, GatewayTransaction } from '../../store/gateway-database.ts';

interface KeyRow {
  kid: string;
  sealed_private_key: string;
  signs_from: Date;
  retired_at: Date;
}

/** Keys of call tokens in Postgres, their private parts sealed: all replicas share them, and rotate by themselves. */
export function callTokenKeyStore(postgres: GatewayPostgres, sealer: Sealer): KeyStore {
  const read = async (trx: GatewayTransaction, now: number): Promise<SigningKey[]> => {
    const { rows } = await sql<KeyRow>`
      SELECT kid, sealed_private_key, signs_from, retired_at FROM call_token_keys WHERE retired_at > ${new Date(now)}`.execute(
      trx,
    );
    return rows.map((row) => openSigningKey(row, sealer));
  };
  return {
    loadOrCreate: (now, lacks, make) =>
      postgres.transaction(async (trx) => {
        const known = await read(trx, now);
        if (!lacks(known)) return known;
        await sql`LOCK TABLE call_token_keys IN SHARE ROW EXCLUSIVE MODE`.execute(trx);
        const again = await read(trx, now);
        if (!lacks(again)) return again;
        const made = await make(again);
        await sql`
          INSERT INTO call_token_keys (kid, sealed_private_key, public_jwk, signs_from, retired_at)
          VALUES (${made.kid}, ${sealer.seal(SIGNING_KEY_PURPOSE, JSON.stringify(made.privateJwk))}, ${JSON.stringify(made.publicJwk)}::jsonb,
            ${new Date(made.signsFrom)}, ${new Date(made.retiredAt)})`.execute(trx);
        return [...again, made];
      }),
  };
}
