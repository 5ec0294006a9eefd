import type { Channel, Preferences, Topic } from '../preferences/schema.ts';
import { isWithin, nextLocalHour, nextLocalTime } from './local-time.ts';

/** What a decision is made about. */
export interface Occasion {
  readonly type: string;
  readonly symbol?: string | undefined;
  /** Smallest units. */
  readonly amount?: bigint | undefined;
  readonly decimals?: number | undefined;
}

export type Decision =
  | { readonly send: true; readonly dueAt: number; readonly digest: boolean }
  | { readonly send: false; readonly reason: string };

const TOPIC_OF_PREFIX: Readonly<Record<string, Topic>> = {
  transfer: 'transfers',
  nft: 'nfts',
  identity: 'identity',
  data: 'data',
  permission: 'permissions',
  attestation: 'identity',
  reward: 'rewards',
  partner: 'partners',
  security: 'security',
};

/** The topic a notification type belongs to; unknown ones count as partners', the least urgent. */
export function topicOf(type: string): Topic {
  const prefix = type.split('.')[0] ?? '';
  return Object.hasOwn(TOPIC_OF_PREFIX, prefix) ? (TOPIC_OF_PREFIX[prefix] as Topic) : 'partners';
}

/** "0.5" with 6 decimals → 500000n; digits beyond the token's precision round up, so that nothing below passes. */
export function smallestUnits(amount: string, decimals: number): bigint {
  const [whole = '0', fraction = ''] = amount.split('.');
  const kept = fraction.slice(0, decimals).padEnd(decimals, '0');
  const rest = /[1-9]/.test(fraction.slice(decimals)) ? 1n : 0n;
  return BigInt(whole + kept) + rest;
}

/**
 * Whether, when and how a notice leaves the inbox by `channel`: topic × channel, minimum amount, quiet hours in the
 * person's time zone, digest. Security notices pass everything but a channel that is switched off.
 *
 * @param now milliseconds since the epoch.
 */
export function decide(
  occasion: Occasion,
  channel: Channel,
  preferences: Preferences,
  timeZone: string,
  now: number,
): Decision {
  const settings = preferences.channels[channel];
  if (!settings.enabled) return { send: false, reason: `${channel} is switched off` };
  const topic = topicOf(occasion.type);
  if (topic === 'security') return { send: true, dueAt: now, digest: false };
  if (preferences.topics[topic]?.[channel] === false)
    return { send: false, reason: `${topic} are switched off for ${channel}` };

  const { symbol, amount, decimals } = occasion;
  const minimum = symbol === undefined ? undefined : preferences.minimumAmounts[symbol];
  if (minimum !== undefined && amount !== undefined && amount < smallestUnits(minimum, decimals ?? 0))
    return { send: false, reason: `the amount is below the minimum of ${minimum} ${symbol}` };

  const quiet = preferences.quietHours;
  const afterQuiet = (at: number): number =>
    quiet && isWithin(at, timeZone, quiet.from, quiet.to) ? nextLocalTime(at, timeZone, quiet.to) : at;

  const email = preferences.channels.email;
  if (channel === 'email' && email.digest !== 'off') {
    const slot =
      email.digest === 'hourly' ? nextLocalHour(now, timeZone) : nextLocalTime(now, timeZone, email.digestAt);
    return { send: true, dueAt: afterQuiet(slot), digest: true };
  }
  return { send: true, dueAt: afterQuiet(now), digest: false };
}

/** Retries of one channel. */
export interface RetryPolicy {
  readonly firstDelayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly maxAttempts: number;
}

/** Exponential backoff with full jitter on the upper half; a provider that names a time is believed up to the maximum. */
export function retryDelay(policy: RetryPolicy, attempt: number, chance: number, retryAfterMs = 0): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.firstDelayMs * policy.factor ** (attempt - 1));
  return Math.max(Math.min(retryAfterMs, policy.maxDelayMs), ceiling * (0.5 + chance / 2));
}
