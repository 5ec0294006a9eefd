/** The webhook is not from us, was changed, or is too old. */
export class WebhookError extends Error {
  override readonly name = 'WebhookError';
}

const TOLERANCE_SECONDS = 5 * 60;

function same(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

/**
 * Verifies a Standard Webhooks signature and answers the parsed body.
 * @param secret as we gave it to you; a `whsec_` one is base64.
 * @param body the bytes as they came, before any parsing.
 * @throws WebhookError
 */
export async function verifyWebhook(
  secret: string,
  headers: Readonly<Record<string, string | undefined>>,
  body: string,
  now: number = Date.now(),
): Promise<unknown> {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  const signatures = headers['webhook-signature'];
  if (!id || !timestamp || !signatures) throw new WebhookError('A webhook header is missing.');
  const age = Math.abs(now / 1000 - Number(timestamp));
  if (!(age <= TOLERANCE_SECONDS)) throw new WebhookError('The webhook is too old, or from the future.');
  const raw: Uint8Array<ArrayBuffer> = secret.startsWith('whsec_')
    ? Uint8Array.from(atob(secret.slice(6)), (c) => c.charCodeAt(0))
    : new TextEncoder().encode(secret);
  const key = await crypto.subtle.importKey('raw', raw, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(`${id}.${timestamp}.${body}`));
  const expected = btoa(String.fromCharCode(...new Uint8Array(mac)));
  const known = signatures.split(' ').some((one) => one.startsWith('v1,') && same(one.slice(3), expected));
  if (!known) throw new WebhookError('The signature does not match.');
  return JSON.parse(body);
}
