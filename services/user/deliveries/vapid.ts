import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { Sealer } from '../../../lib/sealing.ts';
import type { UserPostgres } from '../shared/database.ts';
import type { VapidKeys } from './channels/web-push.ts';
import type { deliveryStore } from './store.ts';

const NAME = 'vapid';

/**
 * The key pair that browsers are subscribed with, made once and shared by all replicas. It cannot be rotated without
 * losing every subscription, so it lives in the database and not in a mounted file that may change.
 */
export async function loadVapidKeys(
  postgres: Pick<UserPostgres, 'db'>,
  store: Pick<typeof deliveryStore, 'secret' | 'putSecret'>,
  sealer: Sealer,
  subject: string,
  now: Date,
): Promise<VapidKeys> {
  if ((await store.secret(postgres.db, NAME)) === undefined) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await store.putSecret(
      postgres.db,
      NAME,
      sealer.seal(NAME, JSON.stringify(privateKey.export({ format: 'jwk' }))),
      now,
    );
  }
  // Read again: another replica may have been faster, and its key is the one that counts.
  const sealed = await store.secret(postgres.db, NAME);
  const jwk = JSON.parse(sealer.open(NAME, sealed as string)) as { x: string; y: string };
  const point = Buffer.concat([
    Buffer.from([4]),
    Buffer.from(jwk.x, 'base64url'),
    Buffer.from(jwk.y, 'base64url'),
  ]);
  return {
    publicKey: point.toString('base64url'),
    privateKey: createPrivateKey({ key: jwk as never, format: 'jwk' }),
    subject,
  };
}
