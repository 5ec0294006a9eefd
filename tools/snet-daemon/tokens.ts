import { createHmac, timingSafeEqual } from 'node:crypto';

export interface TokenClaims {
  readonly payload: string;
  readonly userAddress: string;
  readonly orgId: string;
  readonly groupId: string;
  /** Epoch seconds. */
  readonly exp: number;
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const mac = (text: string, secret: string): Buffer => createHmac('sha256', secret).update(text).digest();

/** A JWT (HS256), as daemons make them. */
export function makeToken(claims: TokenClaims, secret: string): string {
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${mac(text, secret).toString('base64url')}`;
}

/** @throws Error in the words of a daemon */
export function checkToken(
  token: string,
  expected: Pick<TokenClaims, 'payload' | 'orgId' | 'groupId'>,
  secret: string,
  nowMs: number,
): void {
  const [head, body, signature, more] = token.split('.');
  if (!head || !body || !signature || more !== undefined)
    throw new Error('token is malformed: token contains an invalid number of segments');
  const good = mac(`${head}.${body}`, secret);
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== good.length || !timingSafeEqual(given, good))
    throw new Error('token signature is invalid: signature is invalid');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as TokenClaims;
  if (claims.exp * 1000 <= nowMs) throw new Error('token has invalid claims: token is expired');
  if (claims.payload !== expected.payload)
    throw new Error(`payload ${claims.payload} used to generate the Token doesnt match expected values`);
  if (claims.orgId !== expected.orgId)
    throw new Error(`organization ${claims.orgId} is not associated with this Daemon`);
  if (claims.groupId !== expected.groupId)
    throw new Error(`groupId ${claims.groupId} is not associated with this Daemon`);
}
