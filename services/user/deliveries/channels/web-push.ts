import { createCipheriv, createECDH, createHmac, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { SafeHttp } from '../../../../lib/http/safe-http.ts';
import type { Random } from '../../../../lib/random.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { ChannelSender, WebPushTarget } from '../channel.ts';
import { outcomeOfAnswer, outcomeOfFailure } from './http-outcome.ts';

/** The application server's keys (RFC 8292). */
export interface VapidKeys {
  /** Uncompressed P-256 point, base64url; browsers subscribe with it. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
  /** `mailto:` or `https:`; where a push service complains. */
  readonly subject: string;
}

/** The one record of a push message, and with it the largest body that push services must take (RFC 8291 section 4). */
const RECORD_SIZE = 4_096;
/** Push services refuse tokens of more than 24 hours. */
const TOKEN_SECONDS = 12 * 3600;
/** How long a push service keeps the message for a device that is off, seconds. */
const TTL_SECONDS = 24 * 3600;

const hmac = (key: Uint8Array, ...data: Uint8Array[]): Buffer => {
  const mac = createHmac('sha256', key);
  for (const part of data) mac.update(part);
  return mac.digest();
};
/** HKDF-SHA-256 for outputs of at most one block (RFC 5869). */
const hkdf = (salt: Uint8Array, ikm: Uint8Array, info: Uint8Array, length: number): Buffer =>
  hmac(hmac(salt, ikm), info, Buffer.from([1])).subarray(0, length);

/**
 * Encrypts for one subscription (RFC 8291: aes128gcm with a fresh key pair), so that only the browser reads it.
 * @throws Error when the subscription's key is no point of the curve.
 */
export function encryptPush(
  plain: Uint8Array,
  target: Pick<WebPushTarget, 'p256dh' | 'auth'>,
  random: Pick<Random, 'bytes'>,
): Buffer {
  const receiver = Buffer.from(target.p256dh, 'base64url');
  const secret = Buffer.from(target.auth, 'base64url');
  const ecdh = createECDH('prime256v1');
  const sender = ecdh.generateKeys();
  const shared = ecdh.computeSecret(receiver);
  const ikm = hkdf(secret, shared, Buffer.concat([Buffer.from('WebPush: info\0'), receiver, sender]), 32);
  const salt = Buffer.from(random.bytes(16));
  const key = hkdf(salt, ikm, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
  const nonce = hkdf(salt, ikm, Buffer.from('Content-Encoding: nonce\0'), 12);
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  // 0x02 ends the last record; nothing is padded, all our payloads have the same length.
  const body = Buffer.concat([
    cipher.update(plain),
    cipher.update(Buffer.from([2])),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  const header = Buffer.alloc(21);
  salt.copy(header, 0);
  header.writeUInt32BE(RECORD_SIZE, 16);
  header.writeUInt8(sender.length, 20);
  return Buffer.concat([header, sender, body]);
}

/** Web push. The payload is an opaque id: what happened is fetched after sign-in, and no push service ever learns it. */
export function createWebPush(deps: {
  http: Pick<SafeHttp, 'post'>;
  vapid: VapidKeys;
  clock: Pick<Clock, 'now'>;
  random: Pick<Random, 'bytes'>;
}): ChannelSender<WebPushTarget> {
  const { http, vapid, clock, random } = deps;
  const tokens = new Map<string, { token: string; until: number }>();

  const tokenFor = async (audience: string): Promise<string> => {
    const now = Math.floor(clock.now() / 1000);
    const known = tokens.get(audience);
    if (known && known.until > now + 600) return known.token;
    const until = now + TOKEN_SECONDS;
    const token = await new SignJWT({ sub: vapid.subject })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
      .setAudience(audience)
      .setExpirationTime(until)
      .sign(vapid.privateKey);
    if (tokens.size > 500) tokens.clear();
    tokens.set(audience, { token, until });
    return token;
  };

  return {
    providerOf: (target) => `push:${new URL(target.endpoint).host}`,
    async send(message, target, signal) {
      const [notification] = message.notifications;
      const plain = Buffer.from(
        JSON.stringify({ id: notification?.inboxId ?? message.id, kind: message.kind }),
      );
      let body: Buffer;
      try {
        body = encryptPush(plain, target, random);
      } catch (error) {
        return {
          result: 'dead',
          detail: `the subscription's key is not usable: ${(error as Error).message}`,
          target: 'disable',
        };
      }
      try {
        const answer = await http.post(target.endpoint, {
          signal,
          body,
          headers: {
            'content-type': 'application/octet-stream',
            'content-encoding': 'aes128gcm',
            ttl: String(TTL_SECONDS),
            urgency: notification?.type.startsWith('security.') ? 'high' : 'normal',
            // A push service replaces an unread message of the same topic: a repetition shows once.
            topic: message.id.replace(/-/g, '').slice(0, 32),
            authorization: `vapid t=${await tokenFor(new URL(target.endpoint).origin)}, k=${vapid.publicKey}`,
          },
        });
        return outcomeOfAnswer(answer, [404, 410], clock.now());
      } catch (error) {
        return outcomeOfFailure(error);
      }
    },
  };
}
