import type { Clock } from '../../../lib/time.ts';
import type { Principal } from '../admission/principal.ts';
import type { Explainer } from '../explain/explainer.ts';
import { createTrace } from '../explain/trace.ts';
import type { CallPath, RpcCall } from './call-path.ts';
import { gatewayError, httpStatusOf, RPC_ERROR } from './errors.ts';
import type { RpcPriority } from './ethereum-rpc.ts';
import { encodeResponse, type ParsedItem, parseBody } from './json-rpc.ts';
import type { RpcFailure, RpcOutcome } from './outcome.ts';

/** Who asks, and how long they will wait. */
export interface Caller {
  readonly requestId: string;
  readonly principal: Principal;
  readonly priority: RpcPriority;
  /** Milliseconds from now. */
  readonly timeoutMs: number;
  /** Why nothing that comes with this request is done: each of its calls is answered with it. */
  readonly refusal?: RpcFailure | undefined;
}

/** A whole answer: its text, and what the response headers say about it. */
export interface Reply {
  /** undefined when there is nothing to answer (notifications only). */
  readonly body: string | undefined;
  /** HTTP status; other transports ignore it. */
  readonly status: number;
  readonly calls: readonly RpcCall[];
  readonly retryAfterSeconds: number | undefined;
}

export interface FrontDoor {
  /** Answers one JSON-RPC body, synchronously when everything in it was answered from memory. Never rejects. */
  handle(text: string, caller: Caller): Reply | Promise<Reply>;
}

export interface FrontDoorDeps {
  readonly path: CallPath;
  readonly clock: Clock;
  readonly explainer: Explainer | undefined;
  readonly maxBatch: number;
  readonly onDone: (call: RpcCall, outcome: RpcOutcome, ms: number) => void;
  /** A body, or an item of a batch, that is no call at all. */
  readonly onInvalid: (code: number) => void;
  /** Says no before a call costs anything; undefined lets it pass. */
  readonly admit: (call: RpcCall) => RpcFailure | undefined | Promise<RpcFailure | undefined>;
  readonly onInternalError: (error: unknown, method: string) => void;
}

/** The transport-independent JSON-RPC server: parse, run every item, put the answers together in order. */
export function createFrontDoor(deps: FrontDoorDeps): FrontDoor {
  const { path, clock, explainer } = deps;

  function callOf(item: Extract<ParsedItem, { ok: true }>, caller: Caller, now: number): RpcCall {
    return {
      method: item.method,
      params: item.params,
      requestId: caller.requestId,
      principal: caller.principal.id,
      who: caller.principal,
      priority: caller.priority,
      startedAt: now,
      deadlineAt: now + caller.timeoutMs,
      trace: explainer === undefined ? undefined : createTrace(item.method, now),
      cache: 'bypass',
      provider: undefined,
      attempts: 0,
      units: 0,
      admitted: 0,
    };
  }

  function finish(call: RpcCall, outcome: RpcOutcome): RpcOutcome {
    const now = clock.monotonic();
    const ms = now - call.startedAt;
    if (call.trace !== undefined) {
      call.trace.tookMs = ms;
      call.trace.outcome = outcome.ok ? call.cache : `error ${outcome.code}: ${outcome.message}`;
    }
    deps.onDone(call, outcome, ms);
    return outcome;
  }

  function run(call: RpcCall, caller: Caller): RpcOutcome | Promise<RpcOutcome> {
    const broken = (error: unknown): RpcOutcome => {
      deps.onInternalError(error, call.method);
      return finish(
        call,
        gatewayError(RPC_ERROR.internal, `internal error; quote request id ${call.requestId}`),
      );
    };
    try {
      const refusal = caller.refusal ?? deps.admit(call);
      if (refusal instanceof Promise) {
        return refusal.then(async (late) => finish(call, late ?? (await path.execute(call)))).catch(broken);
      }
      if (refusal !== undefined) return finish(call, refusal);
      const outcome = path.execute(call);
      return outcome instanceof Promise
        ? outcome.then((done) => finish(call, done), broken)
        : finish(call, outcome);
    } catch (error) {
      return broken(error);
    }
  }

  function single(item: ParsedItem, caller: Caller, now: number): Reply | Promise<Reply> {
    if (!item.ok) {
      deps.onInvalid(item.code);
      return invalidReply(item.id, item.code, item.message);
    }
    const call = callOf(item, caller, now);
    if (call.trace !== undefined) explainer?.add(caller.requestId, caller.principal.id, [call.trace]);
    const reply = (outcome: RpcOutcome): Reply => {
      // A notification gets no answer, not even an error; the transport still needs a status.
      if (item.id === undefined)
        return { body: undefined, status: 204, calls: [call], retryAfterSeconds: undefined };
      return {
        body: encodeResponse(item.id, outcome),
        status: outcome.ok ? 200 : httpStatusOf(outcome),
        calls: [call],
        retryAfterSeconds: outcome.ok ? undefined : outcome.retryAfterSeconds,
      };
    };
    const outcome = run(call, caller);
    return outcome instanceof Promise ? outcome.then(reply) : reply(outcome);
  }

  function batch(items: readonly ParsedItem[], caller: Caller, now: number): Reply | Promise<Reply> {
    const texts: string[] = new Array(items.length).fill('');
    const calls: RpcCall[] = [];
    const pending: Promise<void>[] = [];
    let retryAfterSeconds: number | undefined;
    for (let i = 0; i < items.length; i++) {
      const item = items[i] as ParsedItem;
      if (!item.ok) {
        deps.onInvalid(item.code);
        texts[i] = encodeResponse(item.id, gatewayError(item.code, item.message));
        continue;
      }
      const call = callOf(item, caller, now);
      calls.push(call);
      const { id } = item;
      const keep = (outcome: RpcOutcome): void => {
        if (id === undefined) return;
        if (!outcome.ok && outcome.retryAfterSeconds !== undefined) {
          retryAfterSeconds = Math.max(retryAfterSeconds ?? 0, outcome.retryAfterSeconds);
        }
        texts[i] = encodeResponse(id, outcome);
      };
      const outcome = run(call, caller);
      if (outcome instanceof Promise) pending.push(outcome.then(keep));
      else keep(outcome);
    }
    explainer?.add(
      caller.requestId,
      caller.principal.id,
      calls.flatMap((call) => call.trace ?? []),
    );
    const reply = (): Reply => {
      const answered = texts.filter((text) => text !== '');
      if (answered.length === 0) return { body: undefined, status: 204, calls, retryAfterSeconds };
      return { body: `[${answered.join(',')}]`, status: 200, calls, retryAfterSeconds };
    };
    return pending.length === 0 ? reply() : Promise.all(pending).then(reply);
  }

  return {
    handle(text, caller) {
      const parsed = parseBody(text, deps.maxBatch);
      const now = clock.monotonic();
      switch (parsed.kind) {
        case 'invalid':
          deps.onInvalid(parsed.code);
          return invalidReply('null', parsed.code, parsed.message);
        case 'single':
          return single(parsed.item, caller, now);
        case 'batch':
          return batch(parsed.items, caller, now);
      }
    },
  };
}

function invalidReply(id: string, code: number, message: string): Reply {
  return {
    body: encodeResponse(id, gatewayError(code, message)),
    status: 200,
    calls: [],
    retryAfterSeconds: undefined,
  };
}

/** A reply outside the JSON-RPC flow (body too large, unauthorised ...), still a JSON-RPC error. */
export function refusal(status: number, code: number, message: string): Reply {
  return { ...invalidReply('null', code, message), status };
}
