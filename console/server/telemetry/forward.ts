import { Pool } from 'undici';
import type { Logger } from '../../../lib/log.ts';
import type { FaroPayload } from './faro-payload.ts';

export interface Forwarder {
  /** Sends a body on, or drops it: telemetry waits for nobody. */
  send(payload: FaroPayload): void;
  close(): Promise<void>;
}

const TIMEOUT_MS = 5_000;
/** Bodies under way at once; more are dropped while the receiver is slow. */
const MAX_IN_FLIGHT = 16;

type Destination = { readonly pool: Pool; readonly path: string; readonly headers: Record<string, string> };

const destination = (url: string, headers: Record<string, string> = {}): Destination => {
  const { origin, pathname, search } = new URL(url);
  return {
    pool: new Pool(origin, { connections: 4, connect: { timeout: 2_000 } }),
    path: `${pathname}${search}`,
    headers,
  };
};

/**
 * Hands browser telemetry on: whole bodies to a Faro receiver (Alloy), spans to the OTLP endpoint that our own go to,
 * so that a trace begins with the click.
 */
export function createForwarder(options: {
  faroUrl: string | undefined;
  otlpUrl: string | undefined;
  otlpHeaders: Readonly<Record<string, string>>;
  version: string;
  log: Logger;
}): Forwarder {
  const { faroUrl, otlpUrl, otlpHeaders, version, log } = options;
  const faro = faroUrl === undefined ? undefined : destination(faroUrl);
  const otlp = otlpUrl === undefined ? undefined : destination(`${otlpUrl}/v1/traces`, { ...otlpHeaders });
  let inFlight = 0;

  function post({ pool, path, headers }: Destination, body: unknown): void {
    if (inFlight >= MAX_IN_FLIGHT) return;
    inFlight++;
    pool
      .request({
        ...{ method: 'POST', path, body: JSON.stringify(body) },
        headers: { ...headers, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      .then((answer) => answer.body.dump())
      .catch((error: unknown) => log.debug({ err: error }, 'browser telemetry was not forwarded'))
      .finally(() => inFlight--);
  }

  return {
    send(payload) {
      if (faro !== undefined) post(faro, payload);
      const resourceSpans = payload.traces?.resourceSpans ?? [];
      if (otlp === undefined || resourceSpans.length === 0) return;
      const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });
      // Whose spans these are is ours to say: a browser may claim to be any service.
      const resource = {
        attributes: [
          attribute('service.name', 'console-browser'),
          attribute('service.namespace', 'rejuve'),
          attribute('service.version', version),
          attribute('session.id', payload.meta.session?.id ?? ''),
        ],
      };
      post(otlp, {
        resourceSpans: resourceSpans.map(({ scopeSpans }) => ({
          resource,
          scopeSpans: scopeSpans.map(({ spans }) => ({ scope: { name: 'rejuve-console' }, spans })),
        })),
      });
    },
    async close() {
      await Promise.all([faro?.pool.destroy(), otlp?.pool.destroy()]);
    },
  };
}
