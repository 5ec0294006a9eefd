import type { TracingConfig } from '../config.ts';
import type { ProcessScope } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { setTracer } from './tracer.ts';

/**
 * Switches tracing on when an endpoint is configured. Call it before metrics, Postgres and Redis are made: they look
 * once whether there is a tracer. The SDK is loaded here and nowhere else, so that it costs nothing while tracing is off.
 */
export async function startTracing(options: {
  service: string;
  version: string;
  config: TracingConfig;
  log: Logger;
  scope: Pick<ProcessScope, 'defer'>;
}): Promise<void> {
  const { service, version, config, log, scope } = options;
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return;
  const { createOtlpTracer } = await import('./otlp-tracer.ts');
  const otlp = createOtlpTracer({
    service,
    version,
    endpoint,
    headers: config.OTEL_EXPORTER_OTLP_HEADERS ?? {},
    sampleRatio: config.OTEL_TRACES_SAMPLER_ARG,
    log,
  });
  setTracer(otlp.tracer);
  scope.defer('tracing', () => {
    setTracer(undefined);
    return otlp.close();
  });
  log.info({ endpoint, sampleRatio: config.OTEL_TRACES_SAMPLER_ARG }, 'traces are exported');
}
