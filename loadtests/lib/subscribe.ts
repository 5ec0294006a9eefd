import { Counter, Rate } from 'k6/metrics';
import { setTimeout } from 'k6/timers';
import { WebSocket } from 'k6/websockets';
import { target } from './people.ts';

const heads = new Counter('websocket_heads');
const failed = new Rate('websocket_failed');

/** Long enough for several blocks of the development chain. */
const LISTEN_MS = 8_000;

/** One client that subscribes to new heads, listens for a while and leaves. */
export function subscribe(): void {
  const socket = new WebSocket(`${target.gateway.replace(/^http/, 'ws')}/rpc/${target.chainId}`);
  let heard = 0;
  let confirmed = false;
  socket.addEventListener('open', () => {
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['newHeads'] }));
    setTimeout(() => socket.close(), LISTEN_MS);
  });
  socket.addEventListener('message', (event) => {
    const message = JSON.parse(String((event as { data?: unknown }).data)) as {
      id?: number;
      result?: string;
      method?: string;
    };
    if (message.id === 1) confirmed = message.result !== undefined;
    if (message.method === 'eth_subscription') {
      heard += 1;
      heads.add(1);
    }
  });
  socket.addEventListener('close', () => failed.add(!confirmed || heard === 0));
}
