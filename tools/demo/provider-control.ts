import { DemoFailure } from './demo-failure.ts';

/** The control side of one of the stack's two providers; it answers while the provider itself is down. */
export interface ProviderControl {
  /** Close its port and reset its connections. */
  down(): Promise<void>;
  up(): Promise<void>;
  addFault(fault: { id: string; type: string; [field: string]: unknown }): Promise<void>;
  removeFault(id: string): Promise<void>;
  /** Calls of one JSON-RPC method it was asked so far, answered or not. */
  callsOf(method: string): Promise<number>;
}

const TIMEOUT_MS = 5_000;

export function createProviderControl(controlUrl: string, service: string): ProviderControl {
  async function send(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    // Not the signal of the story: what was switched off is switched on after an abort as well.
    const response = await fetch(new URL(path, controlUrl), {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new DemoFailure({
        expected: `${method} ${path} at the control of provider ${service} to work`,
        seen: `${response.status} ${text}`,
        service,
      });
    }
    return text ? (JSON.parse(text) as Record<string, unknown>) : {};
  }

  return {
    down: async () => void (await send('POST', '/control/down')),
    up: async () => void (await send('POST', '/control/up')),
    addFault: async (fault) => void (await send('POST', '/control/faults', [fault])),
    removeFault: async (id) => void (await send('DELETE', `/control/faults?id=${encodeURIComponent(id)}`)),
    async callsOf(method) {
      const { byMethod } = (await send('GET', '/control/stats')) as { byMethod?: Record<string, number> };
      return byMethod?.[method] ?? 0;
    },
  };
}
