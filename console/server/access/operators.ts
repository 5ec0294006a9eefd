import { createHash, randomBytes, scrypt, scryptSync, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';

export const ROLES = ['viewer', 'operator'] as const;
/** A viewer sees everything; an operator may also act. */
export type Role = (typeof ROLES)[number];

export interface Operator {
  readonly name: string;
  readonly role: Role;
  /** `scrypt$N$r$p$salt$key`, base64url. */
  readonly hash: string;
}

/** N=2^15, r=8, p=1 take about 50 ms and 32 MiB: OWASP's password storage recommendation for scrypt. */
const COST = { N: 2 ** 15, r: 8, p: 1 } as const;
const KEY_BYTES = 32;
const MAX_MEMORY = 128 * 1024 * 1024;
const HASH = /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([A-Za-z0-9_-]{22,})\$([A-Za-z0-9_-]{43})$/;
const NAME = /^[a-z0-9][a-z0-9._@-]{0,63}$/;

const derive = promisify(scrypt) as (
  password: string,
  salt: Buffer,
  bytes: number,
  options: { N: number; r: number; p: number; maxmem: number },
) => Promise<Buffer>;

/** For setting one up; blocks for the time of one hash. */
export function hashPassword(password: string): string {
  const salt = randomBytes(16);
  const key = scryptSync(password.normalize('NFKC'), salt, KEY_BYTES, { ...COST, maxmem: MAX_MEMORY });
  return `scrypt$${COST.N}$${COST.r}$${COST.p}$${salt.toString('base64url')}$${key.toString('base64url')}`;
}

/** Takes the same time for any password; false for a hash that is not ours. */
export async function verifyPassword(hash: string, password: string): Promise<boolean> {
  const match = HASH.exec(hash);
  if (!match) return false;
  const [, n, r, p, salt = '', key = ''] = match;
  const expected = Buffer.from(key, 'base64url');
  const actual = await derive(password.normalize('NFKC'), Buffer.from(salt, 'base64url'), expected.length, {
    ...{ N: Number(n), r: Number(r), p: Number(p) },
    maxmem: MAX_MEMORY,
  });
  return timingSafeEqual(actual, expected);
}

/** Names what a session was opened with: another password or role, and the session is over. */
export const fingerprintOf = ({ name, role, hash }: Operator): string =>
  createHash('sha256').update(`${name}:${role}:${hash}`).digest('base64url').slice(0, 22);

function parseOperator(line: string): Operator | string {
  const [name = '', role = '', ...rest] = line.split(':');
  const hash = rest.join(':');
  if (!NAME.test(name)) return `"${name.slice(0, 20)}" is no name: lower case letters, digits and ._@-`;
  if (!ROLES.includes(role as Role)) return `${name}: the role must be one of ${ROLES.join(', ')}`;
  if (!HASH.test(hash)) return `${name}: no hash made by operator-cli.ts`;
  return { name, role: role as Role, hash };
}

/** `name:role:hash`, separated by line breaks or commas; lines that begin with # are comments. */
export const operatorsSchema = z.string().transform((text, ctx) => {
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const operators = new Map<string, Operator>();
  for (const line of lines) {
    const parsed = parseOperator(line);
    if (typeof parsed === 'string') ctx.addIssue({ code: 'custom', message: parsed });
    else if (operators.has(parsed.name))
      ctx.addIssue({ code: 'custom', message: `${parsed.name} is named twice` });
    else operators.set(parsed.name, parsed);
  }
  if (lines.length === 0)
    ctx.addIssue({
      code: 'custom',
      message: 'name at least one operator; `node console/server/operator-cli.ts NAME ROLE` makes a line',
    });
  return operators as ReadonlyMap<string, Operator>;
});
