import { WebSocket } from 'ws';
import type { Logger } from '../../../lib/log.ts';
import type { Clock, Timer } from '../../../lib/time.ts';

const RECONNECT_FLOOR_MS = 250;
const RECONNECT_CEILING_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A provider that sends pings, heads or answers is alive; one that is silent for longer is replaced. */
const SILENCE_MS = 30_000;
const PING_MS = 10_000;
/** Large blocks of pending transactions are far below this; a provider that sends more is broken. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

export interface UpstreamSocket {
  /** What the gateway's own subscribers need just now. */
  want(needs: { readonly heads: boolean; readonly pending: boolean }): void;
  /** Which of `urls` is connected, for metrics and the providers page. */
  connectedTo(): string | undefined;
  close(): void;
}

/**
 * One WebSocket to the best provider that has one, shared by all subscribers. Its heads are a hint to look at the
 * chain now; what clients are told comes from the read path. Losing it therefore loses nothing: polling covers the
 * time until the next provider is connected.
 */
export function createUpstreamSocket(deps: {
  /** Ranked, best first; asked again before every connection. */
  urls: () => readonly string[];
  clock: Clock;
  log: Pick<Logger, 'info' | 'warn'>;
  onHead: () => void;
  onPending: (hash: string) => void;
  /** Pending transactions are being pushed, or no longer are. */
  onPendingPushed: (pushed: boolean) => void;
}): UpstreamSocket {
  const { urls, clock, log, onHead, onPending, onPendingPushed } = deps;
  let needs = { heads: false, pending: false };
  let socket: WebSocket | undefined;
  let url: string | undefined;
  let retry: Timer | undefined;
  let watch: Timer | undefined;
  let failures = 0;
  let lastHeard = 0;
  let closed = false;
  /** Upstream subscription id → what it carries. */
  const carried = new Map<string, 'heads' | 'pending'>();
  const asked = new Map<number, 'heads' | 'pending'>();
  let nextId = 1;

  const wanted = (): boolean => !closed && (needs.heads || needs.pending);

  function lose(reason: string): void {
    if (socket === undefined) return;
    log.warn({ reason }, 'the upstream WebSocket was lost; polling until another is connected');
    const losing = socket;
    socket = undefined;
    url = undefined;
    watch?.cancel();
    carried.clear();
    asked.clear();
    losing.removeAllListeners();
    // A socket torn down while connecting reports that as an error: nobody needs to hear it.
    losing.on('error', () => undefined);
    losing.terminate();
    onPendingPushed(false);
    onHead();
    reconnect();
  }

  function reconnect(): void {
    if (!wanted() || retry !== undefined) return;
    const pause =
      failures === 0 ? 0 : Math.min(RECONNECT_CEILING_MS, RECONNECT_FLOOR_MS * 2 ** (failures - 1));
    retry = clock.setTimeout(() => {
      retry = undefined;
      connect();
    }, pause);
  }

  function subscribe(kind: 'heads' | 'pending'): void {
    if (socket?.readyState !== WebSocket.OPEN) return;
    if ([...carried.values(), ...asked.values()].includes(kind)) return;
    const id = nextId++;
    asked.set(id, kind);
    socket.send(
      JSON.stringify({
        jsonrpc: '2.0',
        id,
        method: 'eth_subscribe',
        params: [kind === 'heads' ? 'newHeads' : 'newPendingTransactions'],
      }),
    );
  }

  function unsubscribe(kind: 'heads' | 'pending'): void {
    for (const [subscription, carrying] of carried) {
      if (carrying !== kind) continue;
      carried.delete(subscription);
      socket?.send(
        JSON.stringify({ jsonrpc: '2.0', id: nextId++, method: 'eth_unsubscribe', params: [subscription] }),
      );
    }
    if (kind === 'pending') onPendingPushed(false);
  }

  function settle(): void {
    for (const kind of ['heads', 'pending'] as const) {
      if (needs[kind]) subscribe(kind);
      else unsubscribe(kind);
    }
  }

  function onMessage(text: string): void {
    lastHeard = clock.monotonic();
    let message: {
      id?: number;
      result?: unknown;
      error?: { message?: string };
      params?: { subscription?: string; result?: unknown };
    };
    try {
      message = JSON.parse(text) as typeof message;
    } catch {
      lose('sent text that is not JSON');
      return;
    }
    const kind = message.id === undefined ? undefined : asked.get(message.id);
    if (kind !== undefined) {
      asked.delete(message.id as number);
      if (typeof message.result !== 'string') {
        // Many providers have no pending subscription: then the pending block is polled instead.
        if (kind === 'heads') lose(message.error?.message ?? 'refused the subscription');
        return;
      }
      failures = 0;
      carried.set(message.result, kind);
      if (kind === 'pending') onPendingPushed(true);
      else onHead();
      return;
    }
    const carrying = carried.get(message.params?.subscription ?? '');
    if (carrying === 'heads') onHead();
    else if (carrying === 'pending' && typeof message.params?.result === 'string')
      onPending(message.params.result);
  }

  function connect(): void {
    if (!wanted() || socket !== undefined) return;
    const candidates = urls();
    // After a failure the next in rank is tried, and round again.
    const next = candidates[failures % Math.max(1, candidates.length)];
    failures += 1;
    if (next === undefined) {
      reconnect();
      return;
    }
    const opening = new WebSocket(next, {
      handshakeTimeout: CONNECT_TIMEOUT_MS,
      maxPayload: MAX_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    socket = opening;
    url = next;
    lastHeard = clock.monotonic();
    opening.on('open', settle);
    opening.on('message', (data) => onMessage(data.toString()));
    opening.on('pong', () => {
      lastHeard = clock.monotonic();
    });
    opening.on('error', (error) => lose(error.message));
    opening.on('close', (code) => lose(`closed with code ${code}`));
    watch = clock.setInterval(() => {
      if (clock.monotonic() - lastHeard > SILENCE_MS) lose(`silent for ${SILENCE_MS / 1_000} s`);
      else if (opening.readyState === WebSocket.OPEN) opening.ping();
    }, PING_MS);
    log.info({}, 'connecting an upstream WebSocket');
  }

  return {
    want(next) {
      if (next.heads === needs.heads && next.pending === needs.pending) return;
      needs = { ...next };
      if (!wanted()) {
        retry?.cancel();
        retry = undefined;
        if (socket !== undefined) {
          const closing = socket;
          socket = undefined;
          url = undefined;
          watch?.cancel();
          carried.clear();
          asked.clear();
          closing.removeAllListeners();
          closing.on('error', () => undefined);
          closing.close();
          onPendingPushed(false);
        }
        failures = 0;
        return;
      }
      if (socket === undefined) reconnect();
      else settle();
    },
    connectedTo: () => (socket?.readyState === WebSocket.OPEN ? url : undefined),
    close() {
      closed = true;
      this.want({ heads: false, pending: false });
    },
  };
}
