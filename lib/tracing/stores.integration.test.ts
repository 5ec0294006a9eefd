import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { startOtlpReceiver } from '../../tools/testing/otlp-receiver.ts';
import { createTestPostgres, type TestPostgres } from '../../tools/testing/test-postgres.ts';
import { createTestRedis, type TestRedis } from '../../tools/testing/test-redis.ts';
import { createContext, currentContext, runWithContext } from '../context.ts';
import { createLogger } from '../log.ts';
import { createPostgres } from '../postgres.ts';
import { createQueue } from '../queue.ts';
import { closeRedis, createRedis } from '../redis.ts';
import { startTracing } from './start-tracing.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const TRACE = 'ab'.repeat(16);
const ROOT = 'cd'.repeat(8);
/** As the HTTP server would leave it: our own span is the parent of what follows. */
const traced = (flags = '01') => ({
  ...createContext({ traceparent: `00-${TRACE}-${ROOT}-${flags}`, newId: () => 'request-1' }),
  spanId: ROOT,
});

describe('traces through stores and queues', () => {
  let database: TestPostgres;
  let redis: TestRedis;
  let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>;
  const closers: (() => Promise<void> | void)[] = [];

  beforeAll(async () => {
    [database, redis, receiver] = await Promise.all([
      createTestPostgres(),
      createTestRedis(),
      startOtlpReceiver(),
    ]);
    await startTracing({
      service: 'test',
      version: '1',
      config: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_HEADERS: undefined,
        OTEL_TRACES_SAMPLER_ARG: 1,
      },
      log,
      scope: { defer: (_, close) => void closers.push(close) },
    });
  }, 60_000);
  afterAll(async () => {
    for (const close of closers.reverse()) await close();
    await Promise.all([database?.drop(), redis?.drop(), receiver?.close()]);
  });

  it('makes spans of queries and commands of a traced request, without what they hold', async () => {
    const postgres = createPostgres({ url: database.url, schema: 'public', log });
    const connection = createRedis({ url: redis.url, log, role: 'test' });
    await runWithContext(traced(), async () => {
      await sql`select ${'a secret'}::text`.execute(postgres.db);
      await sql`select no_such_column`.execute(postgres.db).catch(() => undefined);
      await connection.set(`${redis.prefix}person-17`, 'another secret');
    });
    const spans = await receiver.until((all) => all.length >= 3);
    const names = spans.filter(({ parentSpanId }) => parentSpanId === ROOT).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['SELECT public', 'SET redis']));
    expect(spans.filter(({ failed }) => failed).map(({ attributes }) => attributes['db.query.text'])).toEqual(
      ['select no_such_column'],
    );
    expect(JSON.stringify(spans)).not.toMatch(/secret|person-17/);
    await postgres.close();
    await closeRedis(connection);
  });

  it('makes none of what nobody asked to be traced', async () => {
    const before = receiver.spans().length;
    const postgres = createPostgres({ url: database.url, schema: 'public', log });
    await sql`select 1`.execute(postgres.db);
    await runWithContext(traced('00'), () => sql`select 2`.execute(postgres.db));
    await postgres.close();
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(receiver.spans()).toHaveLength(before);
  });

  it('leads through a Bull queue to whoever works on the job', async () => {
    const options = { name: 'traced', url: redis.url, prefix: redis.prefix, log };
    const sender = createQueue<{ n: number }>(options);
    const worker = createQueue<{ n: number }>(options);
    const seen: { data: unknown; traceId: string | undefined }[] = [];
    void worker.queue.process(1, async (job) => {
      seen.push({ data: job.data, traceId: currentContext()?.traceId });
    });
    await runWithContext(traced(), () => sender.queue.add({ n: 1 }));
    await sender.queue.add({ n: 2 });
    const spans = await receiver.until((all) => all.some(({ name }) => name === 'traced process'));
    const sent = spans.find(({ name }) => name === 'traced send');
    const processed = spans.find(({ name }) => name === 'traced process');
    expect(sent).toMatchObject({ traceId: TRACE, parentSpanId: ROOT, kind: 4 });
    expect(processed).toMatchObject({ traceId: TRACE, parentSpanId: sent?.spanId, kind: 5 });
    const deadline = Date.now() + 10_000;
    while (seen.length < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    // The worker sees the job that was sent, and nothing that tracing put beside it.
    expect(seen).toEqual([
      { data: { n: 1 }, traceId: TRACE },
      { data: { n: 2 }, traceId: undefined },
    ]);
    await Promise.all([sender.close(), worker.close()]);
  }, 60_000);
});
