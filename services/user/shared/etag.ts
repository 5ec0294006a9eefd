import { AppError } from '../../../lib/errors.ts';

/** The strong entity tag of a version (RFC 9110 section 8.8.3). */
export const etagOf = (version: number): string => `"${version}"`;

/**
 * The version that `If-Match` names; undefined when the header is absent or `*` (then the last writer wins).
 * @throws AppError `precondition_failed` when it names no version at all: it cannot be the current one.
 */
export function versionOfIfMatch(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const match = /^"(\d{1,9})"$/.exec(header.trim());
  if (!match)
    throw new AppError('precondition_failed', 'If-Match must be the ETag of an earlier answer, such as "3".');
  return Number(match[1]);
}

export const changedSince = (current: number): AppError =>
  new AppError(
    'precondition_failed',
    `It was changed in the meantime (now version ${current}); read it again and repeat your change.`,
  );
