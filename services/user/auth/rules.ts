import { AppError } from '../../../lib/errors.ts';
import { parseSiweMessage, type SiweMessage, SiweParseError } from './siwe-message.ts';

/** How far a wallet's clock may run ahead of ours, milliseconds. */
const CLOCK_SKEW_MS = 60_000;
/** A message issued longer ago than this is stale even without an expiry of its own. */
const MAX_MESSAGE_AGE_MS = 15 * 60_000;

/** What this deployment accepts in a sign-in message. */
export interface SiwePolicy {
  /** Host names (with port, when not the default) whose pages may ask for a signature. */
  readonly domains: readonly string[];
  readonly chainIds: readonly number[];
}

/**
 * Reads a message and checks everything but its nonce and signature.
 * @throws AppError `invalid_request` when it is no EIP-4361 message, `invalid_argument` when it is not for us,
 *   `expired_token` when it is too old, not yet valid or expired.
 */
export function checkSiweMessage(text: string, policy: SiwePolicy, now: number): SiweMessage {
  let message: SiweMessage;
  try {
    message = parseSiweMessage(text);
  } catch (error) {
    if (!(error instanceof SiweParseError)) throw error;
    throw new AppError('invalid_request', `/message: not an EIP-4361 message, ${error.message}.`, {
      errors: [{ pointer: '/message', rule: 'eip4361', detail: error.message }],
    });
  }
  const refuse = (rule: string, detail: string): never => {
    throw new AppError('invalid_argument', `/message: ${detail}`, {
      errors: [{ pointer: '/message', rule, detail }],
    });
  };
  if (!policy.domains.includes(message.domain))
    refuse(
      'domain',
      `The message is for the domain "${message.domain.slice(0, 100)}", not for this service.`,
    );
  const uriHost = new URL(message.uri).host;
  if (uriHost !== '' && !policy.domains.includes(uriHost))
    refuse('uri', 'The URI of the message points to another site than its domain.');
  if (!policy.chainIds.includes(message.chainId))
    refuse('chain', `Chain ${message.chainId} is not served here; use ${policy.chainIds.join(' or ')}.`);

  const issued = Date.parse(message.issuedAt);
  const late = (detail: string): never => {
    throw new AppError('expired_token', `/message: ${detail} Ask for a new nonce and sign again.`);
  };
  if (issued > now + CLOCK_SKEW_MS)
    refuse('issued-at', 'The message was issued in the future; check the clock.');
  if (issued < now - MAX_MESSAGE_AGE_MS) late('The message was issued too long ago.');
  if (message.expirationTime !== undefined && Date.parse(message.expirationTime) <= now)
    late('The message has expired.');
  if (message.notBefore !== undefined && Date.parse(message.notBefore) > now)
    refuse('not-before', 'The message is not valid yet.');
  return message;
}

/** A browser and system in words, from a User-Agent; never the string itself, which can identify a person. */
export function coarseDevice(userAgent: string | undefined): string {
  const ua = userAgent ?? '';
  const app =
    (
      [
        [/Rejuve/i, 'Rejuve app'],
        [/Edg\//, 'Edge'],
        [/OPR\//, 'Opera'],
        [/Firefox\//, 'Firefox'],
        [/Chrome\//, 'Chrome'],
        [/Safari\//, 'Safari'],
      ] as const
    ).find(([pattern]) => pattern.test(ua))?.[1] ?? 'Unknown client';
  const system = (
    [
      [/iPhone|iPad|iOS/, 'iOS'],
      [/Android/, 'Android'],
      [/Windows/, 'Windows'],
      [/Mac OS X|Macintosh/, 'macOS'],
      [/Linux/, 'Linux'],
    ] as const
  ).find(([pattern]) => pattern.test(ua))?.[1];
  return system ? `${app} on ${system}` : app;
}

/** The network a request came from, too wide to name a household: /16 of IPv4, /32 of IPv6. */
export function coarsePlace(ip: string | undefined): string {
  const plain = (ip ?? '').replace(/^::ffff:/, '');
  const v4 = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(plain);
  if (v4) return v4[1] === '127' ? 'this machine' : `${v4[1]}.${v4[2]}.x.x`;
  if (plain === '::1') return 'this machine';
  const groups = plain.split('::')[0]?.split(':') ?? [];
  return groups.length >= 2 ? `${groups[0]}:${groups[1]}::` : 'unknown';
}
