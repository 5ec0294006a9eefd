/**
 * Reading the outline of JSON text without building objects. The gateway forwards results as text; these functions
 * find where a member starts and ends. Input comes from providers, so anything malformed returns `undefined`.
 */

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COMMA = 44;
const COLON = 58;

function skipSpace(text: string, from: number): number {
  let i = from;
  for (;;) {
    const c = text.charCodeAt(i);
    if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return i;
    i++;
  }
}

/** Index just after the closing quote of the string that opens at `from`, or -1. */
function endOfString(text: string, from: number): number {
  let i = from + 1;
  for (;;) {
    i = text.indexOf('"', i);
    if (i < 0) return -1;
    let slashes = 0;
    for (let j = i - 1; text.charCodeAt(j) === BACKSLASH; j--) slashes++;
    if (slashes % 2 === 0) return i + 1;
    i++;
  }
}

/** Index just after the value that starts at `from`, or -1 when the text ends first. Does not judge what is inside. */
export function endOfValue(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === QUOTE) return endOfString(text, from);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    let i = from;
    for (; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (
        c === COMMA ||
        c === CLOSE_BRACE ||
        c === CLOSE_BRACKET ||
        c === 32 ||
        c === 10 ||
        c === 13 ||
        c === 9
      )
        break;
    }
    return i > from ? i : -1;
  }
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      i = endOfString(text, i) - 1;
      if (i < 0) return -1;
    } else if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      depth++;
    } else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
      depth--;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}

/** The elements of a JSON array as slices of its text. */
export function arrayElements(text: string): string[] | undefined {
  let i = skipSpace(text, 0);
  if (text.charCodeAt(i) !== OPEN_BRACKET) return undefined;
  i = skipSpace(text, i + 1);
  const elements: string[] = [];
  if (text.charCodeAt(i) === CLOSE_BRACKET) return elements;
  for (;;) {
    const end = endOfValue(text, i);
    if (end < 0) return undefined;
    elements.push(text.slice(i, end));
    i = skipSpace(text, end);
    const c = text.charCodeAt(i);
    if (c === CLOSE_BRACKET) return skipSpace(text, i + 1) >= text.length ? elements : undefined;
    if (c !== COMMA) return undefined;
    i = skipSpace(text, i + 1);
  }
}

/** The members of a JSON object as slices of its text, by name. Escapes in names are not decoded; the last duplicate wins. */
export function objectMembers(text: string): Map<string, string> | undefined {
  let i = skipSpace(text, 0);
  if (text.charCodeAt(i) !== OPEN_BRACE) return undefined;
  i = skipSpace(text, i + 1);
  const members = new Map<string, string>();
  if (text.charCodeAt(i) === CLOSE_BRACE) return members;
  for (;;) {
    if (text.charCodeAt(i) !== QUOTE) return undefined;
    const nameEnd = endOfString(text, i);
    if (nameEnd < 0) return undefined;
    const name = text.slice(i + 1, nameEnd - 1);
    i = skipSpace(text, nameEnd);
    if (text.charCodeAt(i) !== COLON) return undefined;
    i = skipSpace(text, i + 1);
    const end = endOfValue(text, i);
    if (end < 0) return undefined;
    members.set(name, text.slice(i, end));
    i = skipSpace(text, end);
    const c = text.charCodeAt(i);
    if (c === CLOSE_BRACE) return skipSpace(text, i + 1) >= text.length ? members : undefined;
    if (c !== COMMA) return undefined;
    i = skipSpace(text, i + 1);
  }
}

/** Length up to which JSON.parse is both cheap and the stricter judge of a provider's answer. */
const PARSE_TO_VALIDATE_LIMIT = 2_048;

/**
 * True when the text is one complete JSON value. Short texts are parsed; of long ones only the outline is checked,
 * which finds truncation (the fault that happens) without paying for the objects.
 */
export function isCompleteJson(text: string): boolean {
  if (text.length <= PARSE_TO_VALIDATE_LIMIT) {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  }
  const start = skipSpace(text, 0);
  const end = endOfValue(text, start);
  return end > 0 && skipSpace(text, end) >= text.length;
}

/** Nesting deeper than this is refused: no Ethereum call needs it, and recursion has a price. */
export const MAX_JSON_DEPTH = 64;

export class JsonDepthError extends Error {
  override readonly name = 'JsonDepthError';
}

/**
 * JSON text that is the same for values that mean the same: members sorted by name, hex in lower case when
 * `lowerHex` (quantities, hashes, addresses and bytes are case-insensitive on the wire).
 * @throws JsonDepthError when nested deeper than {@link MAX_JSON_DEPTH}
 */
export function canonicalJson(value: unknown, lowerHex: boolean, depth = 0): string {
  if (typeof value === 'string') {
    if (lowerHex && value.charCodeAt(0) === 48 && (value.charCodeAt(1) | 32) === 120) {
      const lower = value.toLowerCase();
      return isPlainHex(lower) ? `"${lower}"` : JSON.stringify(lower);
    }
    return JSON.stringify(value);
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (depth >= MAX_JSON_DEPTH) throw new JsonDepthError(`nested deeper than ${MAX_JSON_DEPTH} levels`);
  if (Array.isArray(value)) {
    let out = '[';
    for (let i = 0; i < value.length; i++) {
      if (i > 0) out += ',';
      out += canonicalJson(value[i], lowerHex, depth + 1);
    }
    return `${out}]`;
  }
  const record = value as Record<string, unknown>;
  const names = Object.keys(record);
  if (names.length > 1) names.sort();
  let out = '{';
  for (const name of names) {
    const member = record[name];
    if (member === undefined) continue;
    if (out.length > 1) out += ',';
    out += `${JSON.stringify(name)}:${canonicalJson(member, lowerHex, depth + 1)}`;
  }
  return `${out}}`;
}

const PLAIN_HEX = /^0x[0-9a-f]*$/;
function isPlainHex(text: string): boolean {
  return PLAIN_HEX.test(text);
}
