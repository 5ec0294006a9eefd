/** Real-user monitoring by the Faro Web SDK, and the spans of what people click. */

interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
}

interface Faro {
  readonly api: {
    pushError(error: Error, options?: { spanContext?: SpanContext; context?: Record<string, string> }): void;
    pushTraces(payload: unknown): void;
    setView(view: { name: string }): void;
  };
}

interface FaroSdk {
  initializeFaro(config: object): Faro;
  getWebInstrumentations(options: object): unknown[];
}

let faro: Faro | undefined;

/** The console works without it: a blocked script only means that nobody measures this visit. */
export function startTelemetry(): void {
  const sdk = (window as { GrafanaFaroWebSdk?: FaroSdk }).GrafanaFaroWebSdk;
  if (sdk === undefined) return;
  faro = sdk.initializeFaro({
    url: '/collect',
    app: { name: 'console' },
    instrumentations: sdk.getWebInstrumentations({
      captureConsole: false,
      enablePerformanceInstrumentation: false,
    }),
    batching: { sendTimeout: 1_000 },
  });
}

export function tellView(name: string): void {
  faro?.api.setView({ name });
}

export function tellError(error: unknown, spanContext?: SpanContext): void {
  const known = error instanceof Error ? error : new Error(String(error));
  faro?.api.pushError(known, spanContext === undefined ? {} : { spanContext });
}

const hex = (bytes: number): string =>
  [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');

const nanoseconds = (ms: number): string => `${BigInt(Math.round(ms * 1_000)) * 1_000n}`;

/**
 * Runs what a click began as the first span of a trace; the server's spans follow it by `traceparent`.
 * @param name bounded: the kind of action, never an id
 */
export async function clicked<T>(
  name: string,
  run: (headers: Record<string, string>) => Promise<T>,
): Promise<T> {
  const spanContext = { traceId: hex(16), spanId: hex(8) };
  const from = performance.timeOrigin + performance.now();
  let failure: unknown;
  try {
    return await run({ traceparent: `00-${spanContext.traceId}-${spanContext.spanId}-01` });
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    const to = performance.timeOrigin + performance.now();
    if (failure instanceof TypeError) tellError(failure, spanContext);
    faro?.api.pushTraces({
      resourceSpans: [
        {
          resource: { attributes: [] },
          scopeSpans: [
            {
              scope: { name: 'rejuve-console' },
              spans: [
                {
                  ...spanContext,
                  name: `click ${name}`,
                  kind: 1,
                  startTimeUnixNano: nanoseconds(from),
                  endTimeUnixNano: nanoseconds(to),
                  attributes: [],
                  status: { code: failure === undefined ? 1 : 2 },
                },
              ],
            },
          ],
        },
      ],
    });
  }
}
