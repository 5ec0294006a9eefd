import { type Dispatcher, request } from 'undici';
import { z } from 'zod';
import type { Clock } from '../../lib/time.ts';
import type { ProbeResult } from './judge.ts';
import type { ProviderSpec } from './types.ts';

const answerSchema = z.object({
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
});
const quantity = z.string().regex(/^0x[0-9a-fA-F]+$/);

/** JSON-RPC 2.0: the method does not exist. Some providers answer -32601 with HTTP 403 or 404, some use -32604. */
const NO_SUCH_METHOD = new Set([-32601, -32604]);
/** Bytes of an answer that are read; a probe asks for nothing large. */
const MAX_BYTES = 256 * 1024;

export type Probe = (url: string, spec: ProviderSpec) => Promise<ProbeResult>;

/**
 * Asks a provider the cheapest questions that tell whether it can be used: chain id, head, software, and only when
 * asked for, historical state (the balance of an account at block 1) and the existence of methods. Never throws: a
 * failure is a result. The URL, which carries a key, does not appear in any message.
 */
export function createProbe(deps: { clock: Clock; dispatcher?: Dispatcher }): Probe {
  const { clock, dispatcher } = deps;

  async function call(url: string, method: string, params: unknown[], timeoutMs: number) {
    const response = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      signal: AbortSignal.timeout(timeoutMs),
      ...(dispatcher ? { dispatcher } : {}),
    });
    const text = (await response.body.text()).slice(0, MAX_BYTES);
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (error) {
      throw new Error(`${method}: HTTP ${response.statusCode} without JSON`, { cause: error });
    }
    return { status: response.statusCode, ...answerSchema.parse(body) };
  }

  async function read(url: string, method: string, params: unknown[], timeoutMs: number): Promise<unknown> {
    const { status, result, error } = await call(url, method, params, timeoutMs);
    if (error) throw new Error(`${method}: ${error.message} (${error.code})`);
    if (status >= 400) throw new Error(`${method}: HTTP ${status}`);
    return result;
  }

  async function lacks(url: string, method: string, timeoutMs: number): Promise<boolean> {
    const { error } = await call(url, method, [], timeoutMs);
    return error !== undefined && NO_SUCH_METHOD.has(error.code);
  }

  return async (url, spec) => {
    const { timeoutMilliseconds: timeoutMs } = spec.probe;
    try {
      const startedAt = clock.monotonic();
      const head = Number(quantity.parse(await read(url, 'eth_blockNumber', [], timeoutMs)));
      const latencyMs = clock.monotonic() - startedAt;
      const [chainId, version, archive, missing] = await Promise.all([
        read(url, 'eth_chainId', [], timeoutMs).then((value) => Number(quantity.parse(value))),
        // Some providers refuse to say; that is their right.
        read(url, 'web3_clientVersion', [], timeoutMs).catch(() => 'unknown'),
        spec.archive ? hasArchive(url, timeoutMs) : Promise.resolve(undefined),
        Promise.all(
          spec.probe.methods.map(async (method) => ((await lacks(url, method, timeoutMs)) ? [method] : [])),
        ),
      ]);
      return {
        ok: true,
        chainId,
        head,
        latencyMs,
        clientVersion: String(version).slice(0, 256),
        missingMethods: missing.flat(),
        ...(archive === undefined ? {} : { archive }),
      };
    } catch (error) {
      return { ok: false, error: explain(error, url) };
    }
  };

  async function hasArchive(url: string, timeoutMs: number): Promise<boolean> {
    const { error } = await call(
      url,
      'eth_getBalance',
      ['0x0000000000000000000000000000000000000000', '0x1'],
      timeoutMs,
    );
    return error === undefined;
  }
}

/** One sentence without the URL: its path and query carry the key, and Node puts it into some messages. */
function explain(error: unknown, url: string): string {
  // Not `instanceof Error`: an abort is a DOMException, and errors of the runtime may come from another realm.
  const { name, message, code } = error as { name?: string; message?: string; code?: unknown };
  if (name === 'TimeoutError') return 'no answer in time';
  if (error instanceof z.ZodError) return 'the answer is not what JSON-RPC promises';
  if (message === undefined) return 'unknown failure';
  return `${message.replaceAll(url, '[endpoint]').slice(0, 300)}${typeof code === 'string' && !message.includes(code) ? ` (${code})` : ''}`;
}
