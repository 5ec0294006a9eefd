import { timingSafeEqual } from 'node:crypto';
import type { Request } from 'express';
import { AppError } from '../../../lib/errors.ts';

const hostOf = (origin: string): string | undefined =>
  URL.canParse(origin) ? new URL(origin).host : undefined;

/** Refuses what a page of somebody else sent: browsers say where a request comes from, and it must be us. */
export function requireSameOrigin(req: Pick<Request, 'headers'>, consoleUrl: string | undefined): void {
  const { origin, host } = req.headers;
  const site = req.headers['sec-fetch-site'];
  const ours = [host, ...(consoleUrl === undefined ? [] : [hostOf(consoleUrl)])];
  // `Origin: null` is what sandboxed and redirected pages send: it has no host, and is nobody of ours.
  const from = origin === undefined ? undefined : hostOf(origin);
  const foreign =
    (site !== undefined && site !== 'same-origin' && site !== 'none') ||
    (origin !== undefined && (from === undefined || !ours.includes(from)));
  if (foreign) throw new AppError('forbidden', 'This request came from another site.');
}

/** Refuses a change without the token that only our own page knows. */
export function requireCsrfToken(req: Pick<Request, 'headers'>, expected: string): void {
  const given = Buffer.from(String(req.headers['x-csrf-token'] ?? ''));
  const wanted = Buffer.from(expected);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    throw new AppError('forbidden', 'The header x-csrf-token is missing or wrong; reload the page.');
  }
}
