import { check, sleep } from 'k6';
import http from 'k6/http';
import { Rate } from 'k6/metrics';
import { me, target } from './people.ts';

const failed = new Rate('rpc_failed');

const BALANCE_OF = '0x70a08231';
const CALLS: readonly (() => { method: string; params: unknown[] })[] = [
  () => ({ method: 'eth_blockNumber', params: [] }),
  () => ({ method: 'eth_getBalance', params: [me().address, 'latest'] }),
  () => ({
    method: 'eth_call',
    params: [{ to: target.token, data: BALANCE_OF + me().address.slice(2).padStart(64, '0') }, 'latest'],
  }),
  () => ({ method: 'eth_getBlockByNumber', params: ['latest', false] }),
];

/** Error codes that are the chain's answer and not the gateway's failure. */
const CHAIN_CODES = [3, -32003, -32600, -32601, -32602, -32012];

/** One JSON-RPC call through the gateway. */
export function call(tags: Record<string, string> = {}): void {
  const choose = CALLS[
    Math.floor(Math.random() * (target.token ? CALLS.length : 2))
  ] as (typeof CALLS)[number];
  const answer = http.post(
    `${target.gateway}/rpc/${target.chainId}`,
    JSON.stringify({ jsonrpc: '2.0', id: 1, ...choose() }),
    { headers: { 'content-type': 'application/json' }, tags: { name: 'rpc', slo: 'rpc', ...tags } },
  );
  const body = answer.status === 200 ? (answer.json() as { result?: unknown; error?: { code: number } }) : {};
  const ours = answer.status !== 200 || (body.error !== undefined && !CHAIN_CODES.includes(body.error.code));
  failed.add(ours, tags);
  check(answer, { 'rpc is right': () => body.result !== undefined }, { slo: 'rpc' });
}

/**
 * One call at each full second: all virtual users call at the same moment, so as many calls are under way at once as
 * there are users, and each user asks for exactly as much as one alone does.
 */
export function callInStep(): void {
  call();
  sleep(1 - (Date.now() % 1000) / 1000);
}
