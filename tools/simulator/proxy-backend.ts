import { Pool } from 'undici';
import { WebSocket } from 'ws';
import type { Backend, RpcCall, RpcOutcome } from './backend.ts';
import { createProxyLens } from './proxy-lens.ts';

/** Connections kept to the real node. Nodes on the same machine need few. */
const UPSTREAM_CONNECTIONS = 32;

interface ParsedAnswer {
  result?: unknown;
  error?: { code: number; message: string; data?: unknown };
}

/** Answers JSON-RPC by asking a real node, over keep-alive HTTP; subscriptions go over its WebSocket. */
export function createProxyBackend(options: { upstream: string; upstreamWs?: string }): Backend {
  const url = new URL(options.upstream);
  const path = `${url.pathname}${url.search}`;
  const wsUrl = options.upstreamWs ?? options.upstream.replace(/^http/, 'ws');
  const pool = new Pool(url.origin, { connections: UPSTREAM_CONNECTIONS, keepAliveTimeout: 30_000 });
  const lensing = createProxyLens();
  const sockets = new Set<WebSocket>();

  async function post(body: Buffer | string, signal: AbortSignal): Promise<{ status: number; body: Buffer }> {
    const response = await pool.request({
      method: 'POST',
      path,
      body,
      signal,
      headers: { 'content-type': 'application/json' },
    });
    return { status: response.statusCode, body: Buffer.from(await response.body.arrayBuffer()) };
  }

  async function ask({ method, params }: RpcCall, signal: AbortSignal): Promise<RpcOutcome> {
    const { body } = await post(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), signal);
    const answer = JSON.parse(body.toString('utf8')) as ParsedAnswer;
    return answer.error === undefined ? { result: answer.result ?? null } : { error: answer.error };
  }

  async function head(signal: AbortSignal): Promise<number> {
    const outcome = await ask({ method: 'eth_blockNumber', params: [] }, signal);
    return 'result' in outcome ? Number(outcome.result) : 0;
  }

  return {
    kind: 'proxy',
    head,
    forward: post,
    async call(call, lens, signal) {
      if (lens === undefined) return ask(call, signal);
      const before = lensing.before(call, lens);
      if ('answer' in before) return before.answer;
      return lensing.after(before.call, await ask(before.call, signal), lens);
    },
    subscribe(kind, filter, listener, onLost) {
      return new Promise((resolve, reject) => {
        const socket = new WebSocket(wsUrl);
        sockets.add(socket);
        let settled = false;
        let ended = false;
        const end = (reason: string): void => {
          sockets.delete(socket);
          if (!settled) {
            settled = true;
            reject(new Error(`no subscription at ${wsUrl}: ${reason}`));
          } else if (!ended) onLost(reason);
          ended = true;
        };
        socket.on('error', (error) => end(error.message));
        socket.on('close', (code) => end(`closed with ${code}`));
        socket.on('open', () => {
          const params = filter === undefined ? [kind] : [kind, filter];
          socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params }));
        });
        socket.on('message', (data) => {
          const message = JSON.parse(data.toString()) as ParsedAnswer & {
            id?: number;
            params?: { result: unknown };
          };
          if (message.params !== undefined) {
            if (!ended) listener(message.params.result);
            return;
          }
          if (message.error !== undefined) {
            end(message.error.message);
            socket.close();
            return;
          }
          settled = true;
          resolve(() => {
            ended = true;
            sockets.delete(socket);
            socket.close();
          });
        });
      });
    },
    async close() {
      for (const socket of sockets) socket.terminate();
      await pool.destroy();
    },
  };
}
