import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** Secrets are shown as `whsec_` and base64, as the specification asks. */
export const WEBHOOK_SECRET_PREFIX = 'whsec_';

export function newWebhookSecret(bytes: (count: number) => Uint8Array = randomBytes): string {
  return `${WEBHOOK_SECRET_PREFIX}${Buffer.from(bytes(32)).toString('base64')}`;
}

/** Secrets are `whsec_` and base64; anything else is taken as it is. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith(WEBHOOK_SECRET_PREFIX)
    ? Buffer.from(secret.slice(WEBHOOK_SECRET_PREFIX.length), 'base64')
    : Buffer.from(secret);
const mac = (secret: string, text: string): Buffer =>
  createHmac('sha256', keyOf(secret)).update(text).digest();

/** One signature: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`. @param timestamp Unix seconds */
export function signWebhook(secret: string, id: string, timestamp: number, body: string): string {
  return `v1,${mac(secret, `${id}.${timestamp}.${body}`).toString('base64')}`;
}

/**
 * The headers of one delivery (Standard Webhooks, standardwebhooks.com, specification 1.0). While a secret is rotated
 * every valid one signs, separated by blanks.
 */
export function webhookHeaders(options: {
  id: string;
  timestampSeconds: number;
  body: string;
  secrets: readonly string[];
}): Record<string, string> {
  const { id, timestampSeconds, body, secrets } = options;
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': secrets.map((secret) => signWebhook(secret, id, timestampSeconds, body)).join(' '),
  };
}

/**
 * What a receiver does: true when one of the signatures fits and the timestamp is near.
 * @param toleranceSeconds how far the sender's clock may be away, which also bounds how long a copy can be replayed
 */
export function verifyWebhook(
  headers: Readonly<Record<string, string>>,
  body: string,
  secret: string,
  nowSeconds: number,
  toleranceSeconds = 300,
): boolean {
  const timestamp = Number(headers['webhook-timestamp']);
  if (!(Math.abs(nowSeconds - timestamp) <= toleranceSeconds)) return false;
  const expected = mac(secret, `${headers['webhook-id']}.${timestamp}.${body}`);
  return (headers['webhook-signature'] ?? '').split(' ').some((part) => {
    const given = Buffer.from(part.replace(/^v1,/, ''), 'base64');
    return part.startsWith('v1,') && given.length === expected.length && timingSafeEqual(given, expected);
  });
}
