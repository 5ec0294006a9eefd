import { RPC_ERROR } from './errors.ts';
import { objectMembers } from './json-text.ts';
import type { RpcOutcome } from './outcome.ts';

/** JSON text of a request id; undefined for a notification. */
export type IdText = string | undefined;

export type ParsedItem =
  | { readonly ok: true; readonly id: IdText; readonly method: string; readonly params: readonly unknown[] }
  | { readonly ok: false; readonly id: string; readonly code: number; readonly message: string };

export type ParsedBody =
  | { readonly kind: 'single'; readonly item: ParsedItem }
  | { readonly kind: 'batch'; readonly items: readonly ParsedItem[] }
  | { readonly kind: 'invalid'; readonly code: number; readonly message: string };

const invalid = (id: string, message: string, code: number = RPC_ERROR.invalidRequest): ParsedItem => ({
  ok: false,
  id,
  code,
  message,
});

/** Longest id that is echoed; the specification sets no limit, memory does. */
const MAX_ID_LENGTH = 256;

/**
 * Reads a request body by the letter of JSON-RPC 2.0: one object or a batch, ids of string, number or null, absent id
 * for a notification, positional params. Ethereum has no named params, so an object is refused with a clear error.
 * @param maxBatch most items in a batch
 */
export function parseBody(text: string, maxBatch: number): ParsedBody {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { kind: 'invalid', code: RPC_ERROR.parse, message: 'the body is not valid JSON' };
  }
  if (Array.isArray(body)) {
    if (body.length === 0)
      return { kind: 'invalid', code: RPC_ERROR.invalidRequest, message: 'a batch needs at least one call' };
    if (body.length > maxBatch) {
      return {
        kind: 'invalid',
        code: RPC_ERROR.invalidRequest,
        message: `a batch may have at most ${maxBatch} calls, this one has ${body.length}`,
      };
    }
    return { kind: 'batch', items: body.map((item) => parseItem(item, undefined)) };
  }
  return { kind: 'single', item: parseItem(body, text) };
}

function parseItem(value: unknown, text: string | undefined): ParsedItem {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return invalid('null', 'a call is a JSON object');
  const { jsonrpc, id, method, params } = value as {
    jsonrpc?: unknown;
    id?: unknown;
    method?: unknown;
    params?: unknown;
  };
  const idText = textOfId(id, text);
  if (idText === null) return invalid('null', 'id must be a string, a number or null');
  const idOrNull = idText ?? 'null';
  if (jsonrpc !== '2.0') return invalid(idOrNull, 'jsonrpc must be "2.0"');
  if (typeof method !== 'string') return invalid(idOrNull, 'method must be a string');
  if (params === undefined || params === null) return { ok: true, id: idText, method, params: [] };
  if (!Array.isArray(params)) {
    return typeof params === 'object'
      ? invalid(
          idOrNull,
          'params must be an array: Ethereum methods take positional parameters',
          RPC_ERROR.invalidParams,
        )
      : invalid(idOrNull, 'params must be an array');
  }
  return { ok: true, id: idText, method, params };
}

/** The id as JSON text, undefined when there is none, null when it is not allowed. */
function textOfId(id: unknown, text: string | undefined): string | undefined | null {
  if (id === undefined) return undefined;
  if (id === null) return 'null';
  if (typeof id === 'number') {
    if (Number.isSafeInteger(id)) return String(id);
    // Too long or fractional for a double: echo what the client wrote, not what JavaScript made of it.
    const raw = text === undefined ? undefined : objectMembers(text)?.get('id');
    return raw !== undefined && raw.length <= MAX_ID_LENGTH ? raw : JSON.stringify(id);
  }
  if (typeof id !== 'string' || id.length > MAX_ID_LENGTH) return null;
  return JSON.stringify(id);
}

/** The JSON text of a response. */
export function encodeResponse(id: string, outcome: RpcOutcome): string {
  if (outcome.ok) return `{"jsonrpc":"2.0","id":${id},"result":${outcome.result}}`;
  const data = outcome.data === undefined ? '' : `,"data":${outcome.data}`;
  return `{"jsonrpc":"2.0","id":${id},"error":{"code":${outcome.code},"message":${JSON.stringify(outcome.message)}${data}}}`;
}
