import { z } from 'zod';

/** Control characters, line ends and direction overrides: they break headers, logs and what other people see. */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/u;

/** One line of human text: trimmed, NFC, without invisible or control characters. */
export const lineOfText = (max: number) =>
  z
    .string()
    .transform((text) => text.normalize('NFC').trim())
    .refine((text) => text.length > 0, 'must not be empty')
    .refine((text) => [...text].length <= max, `at most ${max} characters`)
    .refine((text) => !UNSAFE.test(text), 'must not contain line breaks, control or invisible characters')
    .meta({ description: `One line of text, at most ${max} characters` });

/** Canonical names of zones seen so far: making a formatter takes a millisecond, and there are some 600 names at most. */
const zones = new Map<string, string>();
const MAX_ZONES = 2_000;

function canonicalZone(name: string): string | undefined {
  const known = zones.get(name);
  if (known !== undefined) return known;
  try {
    const zone = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
    // Spellings differ in case, and somebody may send them all.
    if (zones.size > MAX_ZONES) zones.clear();
    zones.set(name, zone);
    return zone;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
}

/** An IANA time zone that this runtime knows, such as Europe/Zurich; yields the canonical spelling. */
export const timeZoneSchema = z
  .string()
  .max(64)
  .transform((name, ctx) => {
    const zone = canonicalZone(name);
    if (zone !== undefined) return zone;
    ctx.addIssue({ code: 'custom', message: 'expected an IANA time zone such as Europe/Zurich' });
    return z.NEVER;
  })
  .refine((name) => !/^[+-]/.test(name), 'expected a named time zone such as Europe/Zurich, not an offset')
  .meta({ description: 'IANA time zone', examples: ['Europe/Zurich'] });

/** A BCP 47 language tag; yields the canonical spelling. */
export const localeSchema = z
  .string()
  .max(35)
  .transform((tag, ctx) => {
    try {
      return Intl.getCanonicalLocales(tag)[0] ?? z.NEVER;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      ctx.addIssue({ code: 'custom', message: 'expected a language tag such as en or de-CH' });
      return z.NEVER;
    }
  })
  .meta({ description: 'BCP 47 language tag', examples: ['en', 'de-CH'] });
