import {
  type Context,
  DiagLogLevel,
  diag,
  SpanKind as OtelKind,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import { type Logger, redactUrls } from '../log.ts';
import type { Span, SpanKind, TraceIds, Tracer } from './tracer.ts';

const KINDS: Record<SpanKind, OtelKind> = {
  server: OtelKind.SERVER,
  client: OtelKind.CLIENT,
  internal: OtelKind.INTERNAL,
  producer: OtelKind.PRODUCER,
  consumer: OtelKind.CONSUMER,
};

/** Spans that wait for export; more are dropped, because a receiver that is away must not fill our memory. */
const QUEUE_SPANS = 4_096;
const BATCH_SPANS = 512;
const EXPORT_EVERY_MS = 1_000;
const EXPORT_TIMEOUT_MS = 5_000;
/** A closing process waits this long for its last spans. */
const FLUSH_MS = 2_000;
const MAX_ERROR_CHARACTERS = 300;

/** A tracer that sends to an OTLP/HTTP endpoint with the OpenTelemetry SDK. Export failures never reach the traced code. */
export function createOtlpTracer(options: {
  service: string;
  version: string;
  /** Base URL; `/v1/traces` is added. */
  endpoint: string;
  headers: Readonly<Record<string, string>>;
  /** Share of root spans that are recorded, 0 to 1. */
  sampleRatio: number;
  log: Logger;
}): { tracer: Tracer; close(): Promise<void> } {
  const { service, version, endpoint, headers, sampleRatio, log } = options;
  const tell = (message: string): void => log.debug({ message: redactUrls(message) }, 'trace export');
  // The SDK speaks by itself otherwise, on the console and with stack traces.
  diag.setLogger(
    { error: tell, warn: tell, info: tell, debug: tell, verbose: tell },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': service,
      'service.namespace': 'rejuve',
      'service.version': version,
      'service.instance.id': process.env.HOSTNAME ?? String(process.pid),
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
    spanLimits: { attributeCountLimit: 64, attributeValueLengthLimit: 2_000 },
    spanProcessors: [
      new BatchSpanProcessor(
        new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, headers, timeoutMillis: EXPORT_TIMEOUT_MS }),
        {
          maxQueueSize: QUEUE_SPANS,
          maxExportBatchSize: BATCH_SPANS,
          scheduledDelayMillis: EXPORT_EVERY_MS,
          exportTimeoutMillis: EXPORT_TIMEOUT_MS,
        },
      ),
    ],
  });
  const tracer = provider.getTracer('rejuve-platform', version);

  return {
    tracer: {
      start(name, { kind, attributes = {}, parent, startedAt }) {
        const context = parent === undefined ? ROOT_CONTEXT : contextOf(parent);
        return wrap(
          tracer.startSpan(
            name,
            { kind: KINDS[kind], attributes, ...(startedAt === undefined ? {} : { startTime: startedAt }) },
            context,
          ),
        );
      },
    },
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, FLUSH_MS);
      });
      await Promise.race([provider.shutdown().catch((error) => tell(String(error))), late]);
      clearTimeout(timer);
    },
  };
}

const contextOf = ({ traceId, spanId, flags }: TraceIds): Context =>
  trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
  });

function wrap(span: OtelSpan): Span {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    ids: { traceId, spanId, flags: traceFlags.toString(16).padStart(2, '0') },
    rename: (name) => span.updateName(name),
    set: (attributes) => span.setAttributes(attributes),
    end(error) {
      if (error !== undefined) {
        const message = redactUrls(error instanceof Error ? error.message : String(error));
        span.setStatus({ code: SpanStatusCode.ERROR, message: message.slice(0, MAX_ERROR_CHARACTERS) });
      }
      span.end();
    },
  };
}
