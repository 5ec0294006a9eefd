import type { Job, Queue } from 'bull';
import { createContext, runWithContext } from '../context.ts';
import { activeTracer, isSampled, startChild, type TraceIds, toTraceparent } from './tracer.ts';

/** Where a job carries the trace that it belongs to; taken out before the worker sees the data. */
const FIELD = 'traceparent';

type AnyFunction = (...args: unknown[]) => unknown;
type Carrier = Record<string, unknown>;

const isObject = (value: unknown): value is Carrier =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Lets traces pass through a Bull queue: a job that a traced request adds carries its context, and the worker's
 * processing becomes a span of the same trace. Jobs of untraced requests stay as they are.
 */
export function traceQueue<T>(queue: Queue<T>): void {
  const own = queue as unknown as Record<'add' | 'addBulk' | 'process', AnyFunction>;
  const add = own.add.bind(queue);
  const addBulk = own.addBulk.bind(queue);
  const process = own.process.bind(queue);
  const describe = (job?: Job): Record<string, string> => ({
    'messaging.system': 'bull',
    'messaging.destination.name': queue.name,
    ...(job === undefined ? {} : { 'messaging.message.id': String(job.id) }),
  });

  /** Opens the producer's span; `send` gets the fields for the job's data. */
  const produce = (send: (fields: Carrier) => unknown): unknown => {
    const span = startChild(`${queue.name} send`, { kind: 'producer', attributes: describe() });
    if (span === undefined) return send({});
    const sent = send({ [FIELD]: toTraceparent(span.ids) }) as Promise<unknown>;
    sent.then(
      () => span.end(),
      (error: unknown) => span.end(error),
    );
    return sent;
  };

  own.add = (...args) => {
    const at = typeof args[0] === 'string' ? 1 : 0;
    if (!isObject(args[at])) return add(...args);
    return produce((fields) => add(...args.with(at, { ...(args[at] as Carrier), ...fields })));
  };
  own.addBulk = (jobs) =>
    produce((fields) =>
      addBulk(
        (jobs as { data: unknown }[]).map((job) =>
          isObject(job.data) ? { ...job, data: { ...job.data, ...fields } } : job,
        ),
      ),
    );
  own.process = (...args) => {
    const handler = args.at(-1);
    // A path of a processor file, or one that calls back: neither is ours.
    if (typeof handler !== 'function' || handler.length > 1) return process(...args);
    return process(
      ...args.with(-1, (job: Job) => consume(queue.name, describe(job), job, handler as AnyFunction)),
    );
  };
}

async function consume(
  name: string,
  attributes: Record<string, string>,
  job: Job,
  handler: AnyFunction,
): Promise<unknown> {
  if (!isObject(job.data) || typeof job.data[FIELD] !== 'string') return handler(job);
  const { [FIELD]: traceparent, ...data } = job.data;
  job.data = data;
  const context = createContext({ traceparent: String(traceparent), newId: () => `job-${name}-${job.id}` });
  const parent: TraceIds | undefined =
    context.parentSpanId === undefined || !isSampled(context)
      ? undefined
      : { traceId: context.traceId, spanId: context.parentSpanId, flags: context.flags };
  const span =
    parent === undefined
      ? undefined
      : activeTracer()?.start(`${name} process`, { kind: 'consumer', attributes, parent });
  if (span === undefined) return handler(job);
  try {
    const result = await runWithContext({ ...context, ...span.ids }, () => handler(job));
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}
