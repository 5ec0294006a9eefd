import type { lookup as systemLookup } from 'node:dns';
import { Agent, request } from 'undici';
import { checkTargetUrl, publicOnlyLookup } from './public-address.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most {@link MAX_BODY_BYTES}; the rest is not read. */
  readonly body: string;
}

export interface SafeHttp {
  /** Posts once; redirects are not followed. @throws ForbiddenTarget when the name resolves to a private address. */
  post(
    url: string,
    options: { headers: Record<string, string>; body: string | Buffer; signal: AbortSignal },
  ): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 4_096;
const CONNECT_TIMEOUT_MS = 5_000;

/** Posts to URLs that people gave us, to public addresses only. */
export function createSafeHttp(options: { allowPrivate: boolean; lookup?: typeof systemLookup }): SafeHttp {
  const { allowPrivate } = options;
  const agent = new Agent({
    connect: { lookup: publicOnlyLookup(options), timeout: CONNECT_TIMEOUT_MS },
    connections: 16,
    pipelining: 1,
  });
  return {
    async post(target, { headers, body, signal }) {
      const url = checkTargetUrl(target, allowPrivate);
      const answer = await request(url, {
        method: 'POST',
        headers,
        body,
        signal,
        dispatcher: agent,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      let text = '';
      for await (const chunk of answer.body) {
        text += Buffer.from(chunk).toString('utf8');
        if (text.length >= MAX_BODY_BYTES) {
          answer.body.destroy();
          break;
        }
      }
      return { status: answer.statusCode, headers: answer.headers, body: text.slice(0, MAX_BODY_BYTES) };
    },
    close: () => agent.destroy(),
  };
}

/** Milliseconds that a `Retry-After` header asks for (RFC 9110 section 10.2.3). */
export function retryAfterMs(header: string | string[] | undefined, now: number): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
