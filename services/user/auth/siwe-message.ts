import { toChecksum } from '../../../lib/address.ts';

/** The fields of a Sign-In with Ethereum message (EIP-4361). */
export interface SiweMessage {
  readonly scheme?: string;
  readonly domain: string;
  readonly address: string;
  readonly statement?: string;
  readonly uri: string;
  readonly chainId: number;
  readonly nonce: string;
  readonly issuedAt: string;
  readonly expirationTime?: string;
  readonly notBefore?: string;
  readonly requestId?: string;
  readonly resources?: readonly string[];
}

/** Why a text is not an EIP-4361 message, in words for the developer who built it. */
export class SiweParseError extends Error {
  override readonly name = 'SiweParseError';
}

const HEADER = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):\/\/)?(\S+) wants you to sign in with your Ethereum account:$/;
/** RFC 3339 date-time, as the grammar of EIP-4361 asks. */
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;
const NONCE = /^[A-Za-z0-9]{8,128}$/;
/** A message longer than this is not something a person would read before signing. */
const MAX_CHARACTERS = 8_192;

/**
 * Reads an EIP-4361 message by its grammar; nothing is guessed or skipped.
 * @throws SiweParseError naming the line that is wrong.
 */
export function parseSiweMessage(text: string): SiweMessage {
  if (text.length > MAX_CHARACTERS)
    throw new SiweParseError(`the message is longer than ${MAX_CHARACTERS} characters`);
  const lines = text.split('\n');
  let at = 0;
  const fail = (expected: string): never => {
    throw new SiweParseError(`line ${at + 1}: expected ${expected}`);
  };
  const take = (expected: string): string => lines[at++] ?? fail(expected);

  const header = HEADER.exec(lines[0] ?? '');
  if (!header) fail('"<domain> wants you to sign in with your Ethereum account:"');
  at = 1;
  const address = take('the address');
  if (!/^0x[0-9a-fA-F]{40}$/.test(address) || toChecksum(address) !== address) {
    at = 1;
    fail('the address with its EIP-55 checksum');
  }
  if (take('an empty line') !== '') fail('an empty line after the address');
  let statement: string | undefined;
  if (lines[at] !== '') {
    statement = take('a statement');
    if (!/^[\x20-\x7e]+$/.test(statement)) fail('a statement of printable ASCII characters');
  }
  if (take('an empty line') !== '') fail('an empty line before "URI:"');

  const required = (name: string): string => {
    const line = lines[at] ?? '';
    if (!line.startsWith(`${name}: `)) fail(`"${name}: …"`);
    at++;
    return line.slice(name.length + 2);
  };
  const optional = (name: string): string | undefined =>
    lines[at]?.startsWith(`${name}: `) ? required(name) : undefined;
  const dateTime = (value: string | undefined, name: string): string | undefined => {
    if (value !== undefined && (!DATE_TIME.test(value) || Number.isNaN(Date.parse(value)))) {
      at--;
      fail(`${name} as an RFC 3339 date-time`);
    }
    return value;
  };

  const uri = required('URI');
  if (!URL.canParse(uri)) {
    at--;
    fail('an absolute URI');
  }
  if (required('Version') !== '1') {
    at--;
    fail('"Version: 1"');
  }
  const chainText = required('Chain ID');
  if (!/^[1-9]\d{0,14}$/.test(chainText)) {
    at--;
    fail('a chain id');
  }
  const nonce = required('Nonce');
  if (!NONCE.test(nonce)) {
    at--;
    fail('a nonce of at least 8 letters and digits');
  }
  const issuedAt = dateTime(required('Issued At'), 'Issued At') as string;
  const expirationTime = dateTime(optional('Expiration Time'), 'Expiration Time');
  const notBefore = dateTime(optional('Not Before'), 'Not Before');
  const requestId = optional('Request ID');
  let resources: string[] | undefined;
  if (lines[at] === 'Resources:') {
    at++;
    resources = [];
    while (lines[at]?.startsWith('- ')) resources.push(take('a resource').slice(2));
  }
  if (at !== lines.length) fail('the end of the message');

  return {
    ...(header?.[1] === undefined ? {} : { scheme: header[1] }),
    domain: header?.[2] as string,
    address,
    ...(statement === undefined ? {} : { statement }),
    uri,
    chainId: Number(chainText),
    nonce,
    issuedAt,
    ...(expirationTime === undefined ? {} : { expirationTime }),
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(resources === undefined ? {} : { resources }),
  };
}

/** The exact text that a wallet shows and signs. */
export function formatSiweMessage(message: SiweMessage): string {
  const origin = message.scheme ? `${message.scheme}://${message.domain}` : message.domain;
  return [
    `${origin} wants you to sign in with your Ethereum account:`,
    message.address,
    '',
    ...(message.statement === undefined ? [] : [message.statement]),
    '',
    `URI: ${message.uri}`,
    'Version: 1',
    `Chain ID: ${message.chainId}`,
    `Nonce: ${message.nonce}`,
    `Issued At: ${message.issuedAt}`,
    ...(message.expirationTime === undefined ? [] : [`Expiration Time: ${message.expirationTime}`]),
    ...(message.notBefore === undefined ? [] : [`Not Before: ${message.notBefore}`]),
    ...(message.requestId === undefined ? [] : [`Request ID: ${message.requestId}`]),
    ...(message.resources === undefined ? [] : ['Resources:', ...message.resources.map((r) => `- ${r}`)]),
  ].join('\n');
}
