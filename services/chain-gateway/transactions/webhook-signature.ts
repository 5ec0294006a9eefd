import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Standard Webhooks (standardwebhooks.com, specification 1.0): `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`.
 * While a secret is rotated every valid one signs, separated by blanks.
 */
export function webhookHeaders(options: {
  id: string;
  timestampSeconds: number;
  body: string;
  secrets: readonly string[];
}): Record<string, string> {
  const { id, timestampSeconds, body, secrets } = options;
  const signatures = secrets.map(
    (secret) => `v1,${mac(secret, `${id}.${timestampSeconds}.${body}`).toString('base64')}`,
  );
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatures.join(' '),
  };
}

/** What a receiver does; here for tests and SDKs. */
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

/** Secrets are `whsec_` and base64; anything else is taken as it is. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
const mac = (secret: string, text: string): Buffer =>
  createHmac('sha256', keyOf(secret)).update(text).digest();
