import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A span as it arrived, with its attributes as a plain object. */
export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** OTLP's number: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface KeyValue {
  key: string;
  value: Record<string, unknown>;
}

const plain = (attributes: KeyValue[] = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

/** The smallest receiver of traces by OTLP/HTTP (JSON): what Tempo, Jaeger or a collector would get. */
export async function startOtlpReceiver(): Promise<{
  url: string;
  spans(): readonly ReceivedSpan[];
  /** Requests that came, of any path. */
  paths(): readonly string[];
  /** Waits until `found` is true of the spans, or fails with what is there after `timeoutMs`. */
  until(
    found: (spans: readonly ReceivedSpan[]) => boolean,
    timeoutMs?: number,
  ): Promise<readonly ReceivedSpan[]>;
  close(): Promise<void>;
}> {
  const spans: ReceivedSpan[] = [];
  const paths: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      paths.push(request.url ?? '');
      if (request.url === '/v1/traces') {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as {
          resourceSpans?: {
            resource?: { attributes?: KeyValue[] };
            scopeSpans?: { spans?: Record<string, unknown>[] }[];
          }[];
        };
        for (const { resource, scopeSpans = [] } of body.resourceSpans ?? []) {
          const service = String(plain(resource?.attributes)['service.name']);
          for (const span of scopeSpans.flatMap((scope) => scope.spans ?? [])) {
            spans.push({
              service,
              name: String(span.name),
              traceId: String(span.traceId),
              spanId: String(span.spanId),
              parentSpanId: span.parentSpanId ? String(span.parentSpanId) : undefined,
              kind: Number(span.kind),
              failed: (span.status as { code?: number } | undefined)?.code === 2,
              attributes: plain(span.attributes as KeyValue[]),
            });
          }
        }
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: () => spans,
    paths: () => paths,
    async until(found, timeoutMs = 15_000) {
      const deadline = Date.now() + timeoutMs;
      while (!found(spans)) {
        if (Date.now() > deadline) {
          const list = spans.map((s) => `${s.traceId.slice(0, 6)} ${s.service} ${s.name}`).join('\n');
          throw new Error(`the spans that were waited for did not come; there are:\n${list || 'none'}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return spans;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
