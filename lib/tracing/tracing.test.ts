import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { startOtlpReceiver } from '../../tools/testing/otlp-receiver.ts';
import { createHttpApp } from '../http/app.ts';
import { defineRoute, type Route, reply } from '../http/route.ts';
import { startServer } from '../http/server.ts';
import { createLogger } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { systemRandom } from '../random.ts';
import { createServiceClient } from '../service-client.ts';
import { systemClock as clock } from '../time.ts';
import { otlpHeaders } from './otlp-headers.ts';
import { startTracing } from './start-tracing.ts';
import { activeTracer } from './tracer.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const closers: (() => Promise<void> | void)[] = [];
const scope = { defer: (_name: string, close: () => Promise<void> | void) => void closers.push(close) };

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function tracingTo(endpoint: string | undefined, sampleRatio = 1): Promise<void> {
  await startTracing({
    service: 'test',
    version: '1',
    config: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: undefined,
      OTEL_TRACES_SAMPLER_ARG: sampleRatio,
    },
    log,
    scope,
  });
}

async function serve(service: string, routes: Route[]) {
  const metrics = createMetrics({ service, processMetrics: false });
  const random = systemRandom(clock);
  const http = createHttpApp({
    ...{ service, version: '1', log, metrics, clock, random, routes, readiness: [] },
    openapi: { title: service, version: '1', description: service },
  });
  const server = await startServer({ listener: http.app, host: '127.0.0.1', port: 0, log, clock });
  scope.defer(service, () => server.close(0));
  return server;
}

const route = (path: string, handler: () => Promise<void> | void): Route =>
  defineRoute({
    ...{ method: 'get', path, operationId: path.slice(1), summary: path, tags: ['test'], auth: ['public'] },
    responses: { 200: { description: 'ok', schema: z.object({ ok: z.boolean() }) } },
    errors: [],
    handler: async () => {
      await handler();
      return reply(200, { ok: true });
    },
  });

/** `front` calls `back`. */
async function twoServices() {
  const back = await serve('back', [route('/deep', () => undefined)]);
  const client = createServiceClient({
    baseUrl: back.url,
    audience: 'gateway',
    auth: { sign: async () => 'token' },
  });
  scope.defer('client', () => client.close());
  return serve('front', [
    route('/top', async () => {
      await client.request({ method: 'GET', path: '/deep', schema: z.unknown() });
    }),
  ]);
}

describe('tracing', () => {
  it("continues the caller's trace through a service and the one it calls", async () => {
    const receiver = await startOtlpReceiver();
    scope.defer('receiver', () => receiver.close());
    await tracingTo(receiver.url);
    const front = await twoServices();
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    await fetch(`${front.url}/top`, { headers: { traceparent } });
    const spans = await receiver.until((all) => all.length >= 3);
    const [top] = spans.filter(({ name }) => name === 'GET /top');
    const [call] = spans.filter(({ name }) => name === 'GET gateway');
    const [deep] = spans.filter(({ name }) => name === 'GET /deep');
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set(['ab'.repeat(16)]));
    expect(top?.parentSpanId).toBe('cd'.repeat(8));
    expect(call?.parentSpanId).toBe(top?.spanId);
    expect(deep?.parentSpanId).toBe(call?.spanId);
    expect(deep?.attributes).toMatchObject({ 'http.route': '/deep', 'http.response.status_code': 200 });
  });

  it('records nothing of a trace that its caller does not record, nor of health checks', async () => {
    const receiver = await startOtlpReceiver();
    scope.defer('receiver', () => receiver.close());
    await tracingTo(receiver.url);
    const front = await twoServices();
    await fetch(`${front.url}/top`, {
      headers: { traceparent: `00-${'12'.repeat(16)}-${'34'.repeat(8)}-00` },
    });
    await fetch(`${front.url}/livez`);
    await fetch(`${front.url}/metrics`);
    await fetch(`${front.url}/top`);
    const spans = await receiver.until((all) => all.some(({ name }) => name === 'GET /top'));
    expect(spans.map(({ traceId }) => traceId)).not.toContain('12'.repeat(16));
    expect(spans.every(({ name }) => !/livez|metrics/.test(name))).toBe(true);
  });

  it('begins no recorded trace at a ratio of zero', async () => {
    const receiver = await startOtlpReceiver();
    scope.defer('receiver', () => receiver.close());
    await tracingTo(receiver.url, 0);
    const front = await twoServices();
    await fetch(`${front.url}/top`);
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(receiver.spans()).toEqual([]);
  });

  it('puts an example of a trace beside what a histogram counted', async () => {
    const receiver = await startOtlpReceiver();
    scope.defer('receiver', () => receiver.close());
    await tracingTo(receiver.url);
    const front = await twoServices();
    await fetch(`${front.url}/top`, {
      headers: { traceparent: `00-${'ef'.repeat(16)}-${'01'.repeat(8)}-01` },
    });
    const answer = await fetch(`${front.url}/metrics`);
    expect(answer.headers.get('content-type')).toContain('application/openmetrics-text');
    const text = await answer.text();
    expect(text).toMatch(
      new RegExp(`http_request_duration_seconds_bucket.*# \\{trace_id="${'ef'.repeat(16)}"`),
    );
    expect(text.trimEnd().endsWith('# EOF')).toBe(true);
  });

  it('goes on when nobody receives', async () => {
    await tracingTo('http://127.0.0.1:9');
    const front = await twoServices();
    expect((await fetch(`${front.url}/top`)).status).toBe(200);
  });

  it('is off without an endpoint: no tracer, plain metrics', async () => {
    await tracingTo(undefined);
    expect(activeTracer()).toBeUndefined();
    const front = await twoServices();
    const answer = await fetch(`${front.url}/metrics`);
    expect(answer.headers.get('content-type')).toContain('text/plain');
  });

  it('does not load the SDK while it is off', () => {
    const program = `
      import { registerHooks } from 'node:module';
      const loaded = [];
      registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
      for (const part of ['http/app', 'postgres', 'redis', 'queue', 'metrics', 'service-client', 'tracing/start-tracing'])
        await import(${JSON.stringify(new URL('..', import.meta.url).href)} + part + '.ts');
      console.log(JSON.stringify({ all: loaded.length, sdk: loaded.filter((url) => /@opentelemetry.(?!api.)/.test(url)) }));`;
    // prom-client brings the API package, which is a few constants; the SDK and its exporter are the weight.
    const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    const { all, sdk } = JSON.parse(output) as { all: number; sdk: string[] };
    expect(all).toBeGreaterThan(50);
    expect(sdk).toEqual([]);
  }, 180_000);

  it('reads the headers of the endpoint as OpenTelemetry writes them', () => {
    expect(otlpHeaders.parse('authorization=Basic%20abc,x-scope=a=b')).toEqual({
      authorization: 'Basic abc',
      'x-scope': 'a=b',
    });
    expect(otlpHeaders.safeParse('no value').success).toBe(false);
  });
});
