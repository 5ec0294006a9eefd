import { arrayElements, isCompleteJson, objectMembers } from '../rpc/json-text.ts';
import type { AttemptRequest, AttemptResult, TransportFault, TransportReply } from './attempt.ts';

/** Longest pause that a `Retry-After` may impose, milliseconds: a provider cannot bench itself for a day by mistake. */
const MAX_RETRY_AFTER_MS = 60_000;

/** The HTTP body of one or several calls. Ids are our own, 1 … n, whatever the clients' were. */
export function encodeCalls(calls: readonly Pick<AttemptRequest, 'method' | 'params'>[]): string {
  if (calls.length === 1) {
    const call = calls[0] as AttemptRequest;
    return `{"jsonrpc":"2.0","id":1,"method":"${call.method}","params":${call.params}}`;
  }
  let body = '[';
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as AttemptRequest;
    body += `${i === 0 ? '' : ','}{"jsonrpc":"2.0","id":${i + 1},"method":"${call.method}","params":${call.params}}`;
  }
  return `${body}]`;
}

/**
 * Milliseconds that a `Retry-After` header asks for: seconds or an HTTP date (RFC 9110 section 10.2.3).
 * @param now wall-clock milliseconds, for the date form
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now;
  if (!Number.isFinite(ms)) return undefined;
  return Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS);
}

/** The answer to each of `count` calls that went out in one body, in their order. */
export function decodeReply(reply: TransportReply, count: number, now: number): AttemptResult[] {
  if (!reply.ok) return repeat(count, { kind: 'fault', fault: reply.fault, message: reply.message });
  const wait = retryAfterMs(reply.retryAfter, now);
  if (reply.status !== 200) {
    const answers =
      reply.status >= 400 && reply.status < 500 && reply.status !== 429
        ? answersIn(reply.body, count, wait)
        : undefined;
    if (answers?.some((answer) => answer.kind === 'error') && reply.status !== 401 && reply.status !== 403)
      return answers;
    const result: AttemptResult = {
      kind: 'fault',
      fault: faultOfStatus(reply.status),
      message: `HTTP ${reply.status}`,
      status: reply.status,
      retryAfterMs: wait,
    };
    return repeat(count, result);
  }
  return answersIn(reply.body, count, wait) ?? repeat(count, malformed(reply.body));
}

/** HTTP 413: the body is too large, and a shorter batch may not be. */
const CONTENT_TOO_LARGE = 413;
/** Codes with which providers refuse a body as such; rate limits are not among them. */
const REFUSAL_CODES: ReadonlySet<number> = new Set([-32_600, -32_601, -32_700]);

/**
 * Whether a provider refused a batch for being a batch, or for its length: one error instead of a list of answers.
 * The calls inside were not looked at, and may be sent again in smaller pieces.
 * @returns the longest batch worth trying, 1 when it is unknown; undefined when this is no such refusal
 */
export function batchRefusal(reply: TransportReply, count: number): number | undefined {
  if (!reply.ok || count <= 1) return undefined;
  if (reply.status === CONTENT_TOO_LARGE) return Math.floor(count / 2);
  if (reply.status === 429 || reply.status >= 500 || arrayElements(reply.body) !== undefined)
    return undefined;
  const lone = decodeAnswer(reply.body, undefined)?.result;
  if (lone?.kind !== 'error' || lone.code === 429) return undefined;
  const aboutBatches = /batch/i.test(lone.message);
  if (!aboutBatches && !REFUSAL_CODES.has(lone.code)) return undefined;
  const numbers = (aboutBatches ? (lone.message.match(/\d+/g) ?? []) : []).map(Number);
  // The limit is the largest number below what was sent: messages also quote the length that was refused.
  return Math.max(1, ...numbers.filter((number) => number < count));
}

function faultOfStatus(status: number): TransportFault {
  if (status === 429) return 'rate-limited';
  return status === 401 || status === 403 ? 'unauthorized' : 'http';
}

function malformed(body: string): AttemptResult {
  return {
    kind: 'fault',
    fault: 'malformed',
    message: body === '' ? 'empty answer' : 'answer is not the JSON-RPC response asked for',
  };
}

function repeat(count: number, result: AttemptResult): AttemptResult[] {
  return Array.from({ length: count }, () => result);
}

function answersIn(body: string, count: number, wait: number | undefined): AttemptResult[] | undefined {
  if (count === 1) {
    const single = decodeAnswer(body, wait) ?? soleElement(body, wait);
    return single === undefined ? undefined : [single.result];
  }
  const elements = arrayElements(body);
  if (elements === undefined) {
    // Some providers answer a whole batch with one error object.
    const error = decodeAnswer(body, wait);
    return error?.result.kind === 'error' ? repeat(count, error.result) : undefined;
  }
  const results: (AttemptResult | undefined)[] = new Array(count).fill(undefined);
  let shared: AttemptResult | undefined;
  for (const element of elements) {
    const answer = decodeAnswer(element, wait);
    if (answer === undefined) continue;
    if (answer.id >= 1 && answer.id <= count) results[answer.id - 1] = answer.result;
    else if (answer.result.kind === 'error') shared = answer.result;
  }
  return results.map((result) => result ?? shared ?? malformed(body));
}

/** Providers that answer a single call with an array of one. */
function soleElement(
  body: string,
  wait: number | undefined,
): { id: number; result: AttemptResult } | undefined {
  const elements = arrayElements(body);
  return elements?.length === 1 ? decodeAnswer(elements[0] as string, wait) : undefined;
}

/** The prefix nearly every provider writes; matching it saves reading the outline of the answer. */
const USUAL = /^\{"jsonrpc":"2\.0","id":(\d+),"result":/;

function decodeAnswer(
  text: string,
  wait: number | undefined,
): { id: number; result: AttemptResult } | undefined {
  const usual = USUAL.exec(text);
  if (usual !== null) {
    const end = text.trimEnd();
    const result = end.slice(usual[0].length, -1);
    if (end.endsWith('}') && isCompleteJson(result))
      return { id: Number(usual[1]), result: { kind: 'result', result } };
  }
  const members = objectMembers(text);
  if (members === undefined) return undefined;
  const id = Number(members.get('id') ?? Number.NaN);
  const error = members.get('error');
  if (error !== undefined && error !== 'null') return { id, result: decodeError(error, wait) };
  const result = members.get('result');
  if (result === undefined || !isCompleteJson(result)) return undefined;
  return { id, result: { kind: 'result', result } };
}

function decodeError(text: string, wait: number | undefined): AttemptResult {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) {
      const { code, message } = parsed as { code?: unknown; message?: unknown };
      return {
        kind: 'error',
        code: typeof code === 'number' && Number.isSafeInteger(code) ? code : -32_000,
        message: typeof message === 'string' ? message : 'error without a message',
        data: objectMembers(text)?.get('data'),
        retryAfterMs: wait ?? retryAfterIn(parsed as { data?: unknown }),
      };
    }
    return {
      kind: 'error',
      code: -32_000,
      message: typeof parsed === 'string' ? parsed : 'error without a message',
      retryAfterMs: wait,
    };
  } catch {
    return { kind: 'fault', fault: 'malformed', message: 'error member is not JSON' };
  }
}

/** A few providers put the pause into the error: `data.retry_after` or `data.backoff_seconds`, in seconds. */
function retryAfterIn(error: { data?: unknown }): number | undefined {
  if (typeof error.data !== 'object' || error.data === null) return undefined;
  const data = error.data as Record<string, unknown>;
  const seconds = data.retry_after ?? data.retryAfter ?? data.backoff_seconds;
  return typeof seconds === 'number' && seconds >= 0
    ? Math.min(seconds * 1_000, MAX_RETRY_AFTER_MS)
    : undefined;
}
