import { z } from 'zod';
import { amountSchema, formatAmount } from '../../../lib/amount.ts';
import { AppError } from '../../../lib/errors.ts';
import { type AuthKind, defineRoute, type Route, reply, stream } from '../../../lib/http/route.ts';
import { openEventStream } from '../../../lib/http/sse.ts';
import type { Clock } from '../../../lib/time.ts';
import { type Caller, callerOf } from './calls/caller.ts';
import { statementLines } from './calls/statement.ts';
import type { SnetService } from './config/service-directory.ts';
import type { Snet } from './create-snet.ts';
import { describeMessage } from './descriptors/describe-message.ts';

export interface SnetRouteDeps {
  readonly snet: Snet;
  readonly clock: Clock;
  /** Calls may be paid by call tokens. */
  readonly callTokens: boolean;
  /** Decimals of the token that the contract holds, for amounts that people read. */
  readonly decimals: number;
}

const tags = ['snet'];
const name = z.string().min(1).max(200);
const cogs = z.string().regex(/^\d+$/);
/** Longer than any service may take; the service's own limit answers first. */
const LONGEST_CALL_MS = 610_000;

const callHeaders = z.object({
  accept: z.string().optional(),
  'idempotency-key': z.string().min(1).max(200).optional(),
  'x-priority': z.string().optional(),
  'x-deadline-ms': z.string().optional(),
  'x-timeout-ms': z.string().optional(),
  'x-requested-by': z.string().min(1).max(200).optional(),
});

const receiptHeaders = {
  'x-snet-call-id': { description: 'Id of the call in statements' },
  'x-snet-payment': { description: 'How it was paid: prepaid, escrow or free' },
  'x-snet-charged-cogs': { description: 'What it cost, in the smallest unit of the token' },
};

const serviceSchema = z
  .object({
    org: z.string(),
    service: z.string(),
    payment: z.array(z.enum(['free', 'prepaid', 'escrow'])),
    concurrency: z.int(),
    running: z.int(),
    waiting: z.int(),
    expectedWaitMs: z.int(),
    daemons: z.array(z.string()),
  })
  .meta({ id: 'SnetService' });

const methodSchema = z
  .object({
    method: z.string(),
    price: amountSchema,
    streams: z.boolean(),
    request: z.unknown(),
    answer: z.unknown(),
  })
  .meta({ id: 'SnetMethod' });

/** `/v1/snet…`: calls to SingularityNET services, and what they cost. */
export function createSnetRoutes(deps: SnetRouteDeps): Route[] {
  const { snet, clock, decimals } = deps;
  const { calls, directory } = snet;
  const auth: AuthKind[] = deps.callTokens ? ['service', 'call-token'] : ['service'];

  const view = (service: SnetService) => {
    const queue = calls.queueOf(service);
    const { payment, concurrency } = service.settings;
    return {
      org: service.org,
      service: service.id,
      payment,
      concurrency,
      running: queue.running,
      waiting: queue.waiting,
      expectedWaitMs: Math.ceil(queue.expectedWaitMs('standard')),
      daemons: [...service.endpoints],
    };
  };

  const call = defineRoute({
    method: 'post',
    path: '/v1/snet/{org}/{service}/{method}',
    operationId: 'callSnetService',
    summary: 'Call a SingularityNET service',
    description:
      'The body is the request message in the JSON mapping of protobuf, the answer likewise. A method is named by `Method`, `Service.Method` or `package.Service.Method`. A method that streams answers server-sent events (`message`, then `end` or `error`) when asked with `Accept: text/event-stream`. Charged is what was answered, and nothing else.',
    tags,
    auth,
    params: z.object({ org: name, service: name, method: name }),
    requestHeaders: callHeaders,
    body: z.unknown().meta({ description: 'The request message', type: 'object' }),
    responses: {
      200: { description: 'The answer message', schema: z.unknown(), headers: receiptHeaders },
    },
    errors: [
      'invalid_argument',
      'not_found',
      'body_too_large',
      'conflict',
      'insufficient_funds',
      'queue_full',
      'deadline_exceeded',
      'dependency_unavailable',
      'chain_unavailable',
      'rate_limited',
      'idempotency_in_progress',
      'idempotency_key_reused',
      'snet_answer_lost',
      'snet_payment_refused',
      'snet_service_error',
    ],
    timeoutMs: LONGEST_CALL_MS,
    async handler({ params, headers, body, principal, signal, req, res }) {
      const caller = callerOf(headers, principal, clock);
      const incoming = {
        ...params,
        ...caller,
        body: { json: body ?? {} },
        idempotencyKey: headers['idempotency-key'],
        signal,
      };
      const wantsStream = headers.accept?.includes('text/event-stream') === true;
      const method = (await snet.methodsOf(directory.find(params.org, params.service))).find(params.method);
      if (!(wantsStream && method.streamsAnswers)) {
        const { receipt, message } = await calls.call(incoming);
        return reply(200, message === undefined ? {} : calls.toJson(method, message), {
          'x-snet-call-id': receipt.id,
          'x-snet-payment': receipt.mode,
          'x-snet-charged-cogs': receipt.charged.toString(),
          ...(receipt.replayed ? { 'idempotency-replayed': 'true' } : {}),
        });
      }
      return streamCall(incoming, req, res);
    },
  });

  /** Errors before the first message are ordinary answers; later ones are an event. */
  async function streamCall(
    incoming: Caller & Parameters<typeof calls.call>[0],
    req: Parameters<typeof openEventStream>[0],
    res: Parameters<typeof openEventStream>[1],
  ) {
    let out: ReturnType<typeof openEventStream> | undefined;
    let number = 0;
    const start = () => {
      out ??= openEventStream(req, res, { clock });
      return out;
    };
    const finish = new AbortController();
    res.once('close', () => finish.abort(new Error('the client left')));
    const result = calls.call({
      ...incoming,
      signal: finish.signal,
      onMessage(message, method) {
        number += 1;
        start().send({ id: String(number), event: 'message', data: calls.toJson(method, message) });
      },
    });
    try {
      const { receipt } = await result;
      return stream(() => {
        start().send({
          event: 'end',
          data: {
            id: receipt.id,
            payment: receipt.mode,
            chargedCogs: receipt.charged.toString(),
            messages: number,
          },
        });
        out?.close();
      });
    } catch (error) {
      if (out === undefined) throw error;
      const problem =
        error instanceof AppError ? error : new AppError('internal_error', 'The stream broke off.');
      return stream(() => {
        out?.send({
          event: 'error',
          data: { code: problem.code, detail: problem.message, charged: false, messages: number },
        });
        out?.close();
      });
    }
  }

  const list = defineRoute({
    method: 'get',
    path: '/v1/snet',
    operationId: 'listSnetServices',
    summary: 'List the SingularityNET services that can be called',
    tags,
    auth,
    responses: { 200: { description: 'Every service', schema: z.object({ data: z.array(serviceSchema) }) } },
    errors: [],
    handler: () => reply(200, { data: directory.all().map(view) }),
  });

  const describe = defineRoute({
    method: 'get',
    path: '/v1/snet/{org}/{service}',
    operationId: 'describeSnetService',
    summary: 'Describe a service: its methods, their messages and prices',
    tags,
    auth,
    params: z.object({ org: name, service: name }),
    responses: {
      200: {
        description: 'The service',
        schema: serviceSchema.extend({ methods: z.array(methodSchema) }).meta({ id: 'SnetServiceDetails' }),
      },
    },
    errors: ['not_found', 'dependency_unavailable'],
    async handler({ params }) {
      const service = directory.find(params.org, params.service);
      const methods = await snet.methodsOf(service).catch((cause: Error) => {
        throw new AppError('dependency_unavailable', cause.message, { retryAfterSeconds: 5, cause });
      });
      return reply(200, {
        ...view(service),
        methods: methods.all().map((method) => ({
          method: method.name,
          price: formatAmount(service.price(method.name), decimals),
          streams: method.streamsAnswers,
          request: describeMessage(method.request),
          answer: describeMessage(method.response),
        })),
      });
    },
  });

  const statement = defineRoute({
    method: 'get',
    path: '/v1/snet/statement',
    operationId: 'getSnetStatement',
    summary: 'What was spent on services, by person and service',
    description: 'Charged is the sum of the prices of answered calls. Failed and lost calls cost nothing.',
    tags,
    auth,
    query: z.strictObject({
      person: z.string().max(200).optional(),
      principal: z.string().max(200).optional(),
      from: z.iso.datetime().optional(),
      to: z.iso.datetime().optional(),
    }),
    responses: {
      200: {
        description: 'One line for each person, credential, service and way to pay',
        schema: z
          .object({
            from: z.iso.datetime(),
            to: z.iso.datetime(),
            total: amountSchema,
            lines: z.array(
              z.object({
                person: z.string().nullable(),
                principal: z.string(),
                org: z.string(),
                service: z.string(),
                mode: z.enum(['prepaid', 'escrow', 'free']),
                answered: z.int(),
                failed: z.int(),
                lost: z.int(),
                charged: cogs,
              }),
            ),
          })
          .meta({ id: 'SnetStatement' }),
      },
    },
    errors: ['invalid_argument'],
    async handler({ query, principal }) {
      const to = query.to === undefined ? new Date(clock.now()) : new Date(query.to);
      const from = query.from === undefined ? new Date(to.getTime() - STATEMENT_MS) : new Date(query.from);
      if (from >= to) throw new AppError('invalid_argument', '`from` must be before `to`.');
      // A token sees what was paid with it; our services see everything.
      const own = principal.kind === 'service' ? {} : { principal: callerOf({}, principal, clock).principal };
      const lines = await statementLines(snet.postgres.db, { ...query, ...own, from, to });
      const total = lines.reduce((sum, line) => sum + BigInt(line.charged), 0n);
      return reply(200, {
        from: from.toISOString(),
        to: to.toISOString(),
        total: formatAmount(total, decimals),
        lines,
      });
    },
  });

  return [call, list, describe, statement];
}

/** A statement covers this much when it is not told from when. */
const STATEMENT_MS = 30 * 86_400_000;
