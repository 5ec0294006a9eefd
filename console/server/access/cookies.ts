import type { Request } from 'express';

/** The session's cookie. `__Host-` makes browsers insist on Secure, the root path and this very host. */
export const cookieName = (secure: boolean): string => (secure ? '__Host-console' : 'console');

export function readCookie(req: Pick<Request, 'headers'>, name: string): string | undefined {
  for (const part of (req.headers.cookie ?? '').split(';')) {
    const [key, ...value] = part.trim().split('=');
    if (key === name) return value.join('=');
  }
  return undefined;
}

/** @param maxAgeSeconds 0 removes it */
export const sessionCookie = (value: string, maxAgeSeconds: number, secure: boolean): string =>
  `${cookieName(secure)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${secure ? '; Secure' : ''}`;
