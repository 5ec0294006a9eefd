import { createHash } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { AppError } from '../../../../lib/errors.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Random } from '../../../../lib/random.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { Hold, SpendingAccount } from '../../admission/principal.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { ServiceDirectory, SnetService } from '../config/service-directory.ts';
import { decodeAnswer, encodeRequest } from '../descriptors/json-messages.ts';
import type { ServiceMethod, ServiceMethods } from '../descriptors/service-methods.ts';
import { CallFailure, ModeUnavailable, type PayableCall, type PaymentMode } from '../payment/payment-mode.ts';
import type { TokenSealer } from '../payment/token-sealer.ts';
import { type CallMode, findByIdempotencyKey, type KnownCall } from '../store/call-store.ts';
import { DaemonError } from '../wire/daemon-client.ts';
import { judgeCallError } from '../wire/daemon-errors.ts';
import { toCallError } from './call-errors.ts';
import type { DaemonSet } from './daemon-set.ts';
import type { SnetMetrics } from './snet-metrics.ts';
import { type CallPriority, createTurnQueue, type TurnQueue } from './turn-queue.ts';

/** A call as it comes in, whatever the front: REST, server-sent events, gRPC-web. */
export interface IncomingCall {
  readonly org: string;
  readonly service: string;
  readonly method: string;
  /** JSON (of any front but gRPC-web), or the message as it is. */
  readonly body: { readonly json: unknown } | { readonly bytes: Buffer };
  /** Stable id of the credential, and the person on whose behalf it is used. */
  readonly principal: string;
  readonly person: string | undefined;
  readonly account: SpendingAccount | undefined;
  readonly priority: CallPriority;
  /** Milliseconds from now; at most what the service allows. */
  readonly timeoutMs: number | undefined;
  readonly idempotencyKey: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** Called for each answer of a stream; without it a streaming method is refused. */
  readonly onMessage?: ((message: Buffer, method: ServiceMethod) => void) | undefined;
}

/** What the caller is told beside the answer. */
export interface CallReceipt {
  readonly id: string;
  readonly method: string;
  readonly mode: CallMode;
  /** Cogs. */
  readonly charged: bigint;
  readonly replayed: boolean;
}

export interface CallResult {
  readonly receipt: CallReceipt;
  /** The last (of a unary method: the only) message. */
  readonly message: Buffer | undefined;
  readonly method: ServiceMethod;
}

export interface CallService {
  /** @throws AppError; then nothing was charged */
  call(incoming: IncomingCall): Promise<CallResult>;
  /** An answer as JSON. */
  toJson(method: ServiceMethod, message: Uint8Array): unknown;
  queueOf(service: SnetService): TurnQueue;
}

export interface CallServiceDeps {
  readonly directory: ServiceDirectory;
  readonly methodsOf: (service: SnetService) => Promise<ServiceMethods>;
  readonly modes: Readonly<Record<CallMode, PaymentMode>>;
  readonly daemons: DaemonSet;
  readonly postgres: GatewayPostgres;
  readonly sealer: TokenSealer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: SnetMetrics;
}

/** A hold outlives its call by this much, seconds: then it is lost. */
const HOLD_GRACE_SECONDS = 30;
/** A way to pay that a daemon does not know is not tried again for this long. */
const UNSUPPORTED_MS = 300_000;
/** Repetitions of a call whose method says that it may be executed twice. */
const MAX_REPEATS = 2;
const REPEAT_PAUSE_MS = 100;

export function createCallService(deps: CallServiceDeps): CallService {
  const { directory, modes, daemons, postgres, sealer, clock, random, log, metrics } = deps;
  const queues = new Map<string, TurnQueue>();
  const unsupported = new Map<string, number>();
  const nameOf = ({ org, id }: SnetService): string => `${org}/${id}`;

  const queueOf = (service: SnetService): TurnQueue => {
    const key = nameOf(service);
    let queue = queues.get(key);
    if (!queue) {
      const { concurrency, queue: limit } = service.settings;
      queue = createTurnQueue({ name: `Service ${key}`, concurrency, limit, clock });
      queues.set(key, queue);
    }
    return queue;
  };

  /** Holds the call's units on the caller's own budget, if there is one. */
  async function holdUnits(
    incoming: IncomingCall,
    service: SnetService,
    price: bigint,
    id: string,
    timeoutMs: number,
  ): Promise<{ hold: Hold; units: number } | undefined> {
    if (incoming.account === undefined) return undefined;
    const units = Math.ceil(Number(price) * service.settings.units);
    const method = `snet_${service.id}`.replace(/\W/g, '_').slice(0, 64);
    const answer = await incoming.account.hold({ callId: id, method, units, deadlineMs: timeoutMs });
    if (!('ok' in answer)) return { hold: answer, units };
    throw new AppError(
      answer.retry === 'later' || answer.retry === 'same' ? 'rate_limited' : 'insufficient_funds',
      `The call token does not cover this call of ${units} units: ${answer.message}.`,
      { retryAfterSeconds: answer.retryAfterSeconds, extra: { units, ...JSON.parse(answer.data ?? '{}') } },
    );
  }

  /** Sends the call once to a daemon, with a payment. @throws CallFailure */
  function sender(
    incoming: IncomingCall,
    method: ServiceMethod,
    body: Buffer,
    client: PayableCall['client'],
    deadline: number,
  ): { send: PayableCall['send']; message: () => Buffer | undefined; delivered: () => number } {
    let message: Buffer | undefined;
    let delivered = 0;
    return {
      message: () => message,
      delivered: () => delivered,
      async send(metadata) {
        const raw = { path: method.path, body, metadata, deadline, signal: incoming.signal };
        try {
          if (!method.streamsAnswers) {
            message = await client.unary(raw);
            return;
          }
          for await (const answer of client.stream(raw)) {
            message = answer;
            delivered += 1;
            incoming.onMessage?.(answer, method);
          }
        } catch (error) {
          if (!(error instanceof DaemonError)) throw error;
          throw new CallFailure(judgeCallError(error), error.code, error.details, error);
        }
      },
    };
  }

  async function attempt(
    incoming: IncomingCall,
    service: SnetService,
    method: ServiceMethod,
    body: Buffer,
    until: { deadline: number; monotonicDeadline: number },
    bodyHash: string | undefined,
  ): Promise<CallResult> {
    const price = service.price(method.name);
    const notes: string[] = [];
    for (const name of service.settings.payment) {
      const key = `${nameOf(service)} ${name}`;
      if ((unsupported.get(key) ?? 0) > clock.monotonic()) continue;
      const chosen = daemons.choose(service);
      const id = random.uuid();
      const sending = sender(incoming, method, body, chosen.client, until.deadline);
      const call: PayableCall = {
        service,
        client: chosen.client,
        ...until,
        signal: incoming.signal,
        priority: incoming.priority,
        send: sending.send,
        answer: () => {
          const message = sending.message();
          return incoming.idempotencyKey === undefined || message === undefined
            ? undefined
            : sealer.seal(message.toString('base64'));
        },
        record: {
          id,
          org: service.org,
          service: service.id,
          method: method.name,
          principal: incoming.principal,
          person: incoming.person,
          price,
          holdSeconds: Math.ceil((until.deadline - clock.now()) / 1000) + HOLD_GRACE_SECONDS,
          idempotencyKey: incoming.idempotencyKey,
          bodyHash,
        },
      };
      try {
        await modes[name].run(call);
        chosen.done('good');
        const charged = name === 'free' ? 0n : price;
        metrics.charged(service, name, charged);
        const receipt = { id, method: method.name, mode: name, charged, replayed: false };
        return { receipt, message: sending.message(), method };
      } catch (error) {
        chosen.done(isDaemonFault(error) ? 'fault' : 'neutral');
        if (!(error instanceof ModeUnavailable)) throw error;
        // Free calls run out and come back by themselves; what a daemon does not know it will not know soon.
        if (name !== 'free') unsupported.set(key, clock.monotonic() + UNSUPPORTED_MS);
        notes.push(`${name}: ${error.message}`);
        log.info(
          { service: nameOf(service), mode: name, reason: error.message },
          'falling back to another payment',
        );
      }
    }
    throw new AppError(
      'dependency_unavailable',
      `No way to pay ${nameOf(service)} is open (${notes.join('; ') || service.settings.payment.join(', ')}).`,
      { retryAfterSeconds: 60 },
    );
  }

  /** The known call of this key, as an answer or a refusal. */
  function replay(known: KnownCall, bodyHash: string | undefined, method: ServiceMethod): CallResult {
    if (known.bodyHash !== bodyHash)
      throw new AppError(
        'idempotency_key_reused',
        'This Idempotency-Key belongs to a call with another body.',
      );
    if (known.state === 'held')
      throw new AppError('idempotency_in_progress', 'The call with this Idempotency-Key is under way.', {
        retryAfterSeconds: 1,
      });
    if (known.answer === null)
      throw new AppError(
        'idempotency_key_reused',
        `The call with this Idempotency-Key was answered (${known.id}), and its answer is not kept any more. Use a new key for a new call.`,
      );
    return {
      receipt: {
        id: known.id,
        method: method.name,
        mode: known.mode,
        charged: BigInt(known.price),
        replayed: true,
      },
      message: Buffer.from(sealer.open(known.answer), 'base64'),
      method,
    };
  }

  async function inTurn(
    incoming: IncomingCall,
    service: SnetService,
    method: ServiceMethod,
    body: Buffer,
    bodyHash: string | undefined,
  ): Promise<CallResult> {
    const timeoutMs = Math.min(incoming.timeoutMs ?? service.settings.timeoutMs, service.settings.timeoutMs);
    const until = { deadline: clock.now() + timeoutMs, monotonicDeadline: clock.monotonic() + timeoutMs };
    const { priority, principal, signal } = incoming;
    const end = await queueOf(service).take({
      priority,
      principal: incoming.person ?? principal,
      deadline: until.monotonicDeadline,
      signal,
    });
    const id = random.uuid();
    let held: Awaited<ReturnType<typeof holdUnits>>;
    try {
      held = await holdUnits(incoming, service, service.price(method.name), id, timeoutMs);
      const repeatable = service.settings.repeatable.some((m) => m === '*' || m === method.name);
      for (let repeat = 0; ; repeat++) {
        try {
          const result = await attempt(incoming, service, method, body, until, bodyHash);
          if (result.receipt.charged > 0n) held?.hold.settle(held.units);
          else held?.hold.release();
          return result;
        } catch (error) {
          if (!mayRepeat(error, repeatable) || repeat >= MAX_REPEATS || method.streamsAnswers) throw error;
          if (clock.monotonic() + REPEAT_PAUSE_MS >= until.monotonicDeadline) throw error;
          metrics.repeated(service);
          await clock.sleep(REPEAT_PAUSE_MS * (repeat + 1));
        }
      }
    } catch (error) {
      held?.hold.release();
      throw error instanceof CallFailure ? toCallError(service, method, error) : error;
    } finally {
      end();
    }
  }

  return {
    queueOf,
    toJson: decodeAnswer,
    async call(incoming) {
      const service = directory.find(incoming.org, incoming.service);
      const method = (await deps.methodsOf(service)).find(incoming.method);
      if (method.streamsRequests)
        throw new AppError(
          'invalid_argument',
          `${method.name} takes a stream of requests, which this interface cannot send.`,
        );
      if (method.streamsAnswers && incoming.onMessage === undefined)
        throw new AppError(
          'invalid_argument',
          `${method.name} answers with a stream; ask with Accept: text/event-stream.`,
        );
      if (incoming.idempotencyKey !== undefined && method.streamsAnswers)
        throw new AppError(
          'invalid_argument',
          'The answers of a stream are not kept: leave the Idempotency-Key out.',
        );
      const body =
        'json' in incoming.body
          ? encodeRequest(method, incoming.body.json, service.settings.maxMessageBytes)
          : checkSize(incoming.body.bytes, service);
      const bodyHash =
        incoming.idempotencyKey === undefined
          ? undefined
          : createHash('sha256')
              .update(`${nameOf(service)}/${method.name}\n`)
              .update(body)
              .digest('hex');
      if (incoming.idempotencyKey !== undefined) {
        const known = await findByIdempotencyKey(postgres.db, incoming.principal, incoming.idempotencyKey);
        if (known) return replay(known, bodyHash, method);
      }
      const from = clock.monotonic();
      try {
        const result = await inTurn(incoming, service, method, body, bodyHash);
        metrics.called(service, result.receipt.mode, 'ok', (clock.monotonic() - from) / 1000);
        return result;
      } catch (error) {
        const taken = error as { code?: string; constraint?: string };
        if (taken.code === '23505' && taken.constraint === 'snet_calls_idempotency')
          throw new AppError('idempotency_in_progress', 'The call with this Idempotency-Key is under way.', {
            retryAfterSeconds: 1,
          });
        const code = error instanceof AppError ? error.code : 'internal_error';
        metrics.called(service, 'none', code, (clock.monotonic() - from) / 1000);
        throw error;
      }
    },
  };
}

function checkSize(bytes: Buffer, service: SnetService): Buffer {
  const { maxMessageBytes } = service.settings;
  if (bytes.length <= maxMessageBytes) return bytes;
  throw new AppError(
    'body_too_large',
    `The request has ${bytes.length} bytes; this service takes messages of at most ${maxMessageBytes}.`,
  );
}

/** The daemon could not be reached, or fell over: reason to use another for a while. */
const isDaemonFault = (error: unknown): boolean =>
  (error instanceof CallFailure &&
    (error.verdict === 'overloaded' || (error.verdict === 'unknown' && error.code !== status.CANCELLED))) ||
  (error instanceof AppError && error.code === 'dependency_unavailable');

/**
 * Without a second charge a call may be made again when the daemon certainly did not take the first one; when that is
 * not known, only if the service says that the method may be executed twice.
 */
const mayRepeat = (error: unknown, repeatable: boolean): boolean =>
  error instanceof CallFailure &&
  (error.verdict === 'overloaded' ||
    (repeatable && error.verdict === 'unknown' && error.code === status.UNAVAILABLE));
