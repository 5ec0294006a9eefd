import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';

/** {@link EthereumRpc} straight to one node, for tests of what sits on top of the read path. */
export function createDirectRpc(url: string): EthereumRpc {
  let id = 0;
  return {
    async request(method, params, options) {
      id += 1;
      let body: { result?: unknown; error?: { code: number; message: string; data?: unknown } };
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
          ...(options?.signal ? { signal: options.signal } : {}),
        });
        body = (await response.json()) as typeof body;
      } catch (cause) {
        throw new RpcCallError(-32015, `the node did not answer: ${(cause as Error).message}`, {
          retry: 'elsewhere',
          cause,
        });
      }
      if (body.error) throw new RpcCallError(body.error.code, body.error.message, { data: body.error.data });
      return body.result ?? null;
    },
  };
}
