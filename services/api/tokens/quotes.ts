import { request } from 'undici';
import { z } from 'zod';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Token } from '../chain/schemas.ts';
import type { CacheAside } from '../data/cache-aside.ts';

export interface Quote {
  readonly currency: string;
  readonly price: string;
  readonly value: string;
  readonly quotedAt: string;
  readonly source: string;
}

/** What a token is worth in money; null when nobody says. */
export interface QuoteSource {
  value(token: Token, raw: bigint, currency: string): Promise<Quote | null>;
}

const QUOTE_TTL_MS = 60_000;
const TIMEOUT_MS = 2_000;

const answer = z.object({
  price: z
    .union([z.string(), z.number()])
    .transform(String)
    .pipe(z.string().regex(/^\d+(\.\d+)?$/)),
});

/** raw × price without floating point: both as whole numbers, rounded half up to cents at the end. */
export function multiply(raw: bigint, decimals: number, price: string): string {
  const [whole = '0', fraction = ''] = price.split('.');
  const scaledPrice = BigInt(whole + fraction);
  const scale = 10n ** BigInt(decimals + fraction.length);
  const cents = (raw * scaledPrice * 100n + scale / 2n) / scale;
  const text = cents.toString().padStart(3, '0');
  return `${text.slice(0, -2)}.${text.slice(-2)}`;
}

/**
 * Asks an HTTP source for prices.
 * @param template with `{symbol}` and `{currency}`; answers `{"price": "0.0123"}`.
 */
export function createHttpQuoteSource(deps: {
  template: string;
  cache: CacheAside;
  clock: Pick<Clock, 'now'>;
  log: Logger;
}): QuoteSource {
  const { template, cache, clock, log } = deps;
  return {
    async value(token, raw, currency) {
      const known = await cache.get(
        { key: `quote:${token.symbol}:${currency}`, ttlMs: QUOTE_TTL_MS, tags: [] },
        async () => {
          const url = template
            .replaceAll('{symbol}', encodeURIComponent(token.symbol))
            .replaceAll('{currency}', encodeURIComponent(currency));
          try {
            const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
            const json: unknown = await body.json();
            if (statusCode !== 200) throw new Error(`the quote source answered ${statusCode}`);
            return { price: answer.parse(json).price, quotedAt: new Date(clock.now()).toISOString() };
          } catch (err) {
            // A balance without a value beats no balance.
            log.warn({ err, symbol: token.symbol, currency }, 'no quote');
            return { price: null, quotedAt: '' };
          }
        },
      );
      if (known.price === null) return null;
      return {
        currency,
        price: known.price,
        value: multiply(raw, token.decimals, known.price),
        quotedAt: known.quotedAt,
        source: new URL(template.replace(/[{}]/g, '')).host,
      };
    },
  };
}
