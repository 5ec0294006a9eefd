import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';
import type { Clock } from '../../lib/time.ts';

/** Tokens and certificate files are looked at again after this long; kubelet rotates them minutes before they expire. */
const CREDENTIALS_TTL_MS = 10_000;
/** Requests in flight at once, watches included. */
const CONNECTIONS = 64;
const CONNECT_TIMEOUT_MS = 5_000;
/** An API server that is away for minutes must not cost a new pool with every try. */
const RENEW_AT_MOST_MS = 1_000;

/** One connection pool to the API server, shared by everything in the process. */
export interface Transport {
  readonly server: string;
  /** The pool and headers for the next request. */
  current(): Promise<{ dispatcher: Dispatcher; headers: Record<string, string> }>;
  /** The server refused our credentials: read them anew before the next request. */
  invalidate(): void;
  /** Connections went silent: the next request opens new ones. */
  renew(): void;
  close(): Promise<void>;
}

/**
 * The client library opens a TLS connection per call and reads certificates once. This one keeps connections, reads
 * credentials every few seconds and builds a new pool when the certificate, key or authority changed; requests on
 * the old pool finish first.
 */
export function createTransport(deps: { kubeConfig: KubeConfig; clock: Clock }): Transport {
  const { kubeConfig, clock } = deps;
  const cluster = kubeConfig.getCurrentCluster();
  if (!cluster)
    throw new Error('the kubeconfig has no current cluster: set KUBECONFIG, or run inside a cluster');
  let material = '';
  let dispatcher: Agent | undefined;
  let headers: Record<string, string> = {};
  let renewedAt = Number.NEGATIVE_INFINITY;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const options: RequestOptions = {};
    await kubeConfig.applyToHTTPSOptions(options);
    const text = (value: unknown): string => (value === undefined || value === null ? '' : String(value));
    const now = [options.ca, options.cert, options.key, options.servername, options.rejectUnauthorized]
      .map(text)
      .join('\n');
    if (!dispatcher || now !== material) {
      const old = dispatcher;
      material = now;
      dispatcher = new Agent({
        connections: CONNECTIONS,
        connect: {
          timeout: CONNECT_TIMEOUT_MS,
          ...(options.ca ? { ca: options.ca as Buffer } : {}),
          ...(options.cert ? { cert: options.cert as Buffer } : {}),
          ...(options.key ? { key: options.key as Buffer } : {}),
          ...(options.servername ? { servername: options.servername } : {}),
          ...(options.rejectUnauthorized === false ? { rejectUnauthorized: false } : {}),
        },
      });
      // Not awaited: a watch may keep the old pool open for minutes. A pool of dead connections cannot close politely.
      void old?.close().catch(() => old.destroy());
    }
    headers = Object.fromEntries(
      Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
    );
    readAt = clock.monotonic();
  }

  return {
    server: cluster.server.replace(/\/$/, ''),
    async current() {
      if (!dispatcher || clock.monotonic() - readAt > CREDENTIALS_TTL_MS) {
        reading ??= read().finally(() => {
          reading = undefined;
        });
        await reading;
      }
      return { dispatcher: dispatcher as Agent, headers };
    },
    renew: () => {
      if (clock.monotonic() - renewedAt < RENEW_AT_MOST_MS) return;
      renewedAt = clock.monotonic();
      material = '';
      readAt = Number.NEGATIVE_INFINITY;
    },
    invalidate: () => {
      readAt = Number.NEGATIVE_INFINITY;
    },
    close: async () => {
      await dispatcher?.destroy();
    },
  };
}
