import { nearest } from '../../../lib/nearest.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Principal } from '../admission/principal.ts';
import type { CallCache } from '../cache/call-cache.ts';
import type { SharedCache } from '../cache/shared-cache.ts';
import { type CallTrace, note } from '../explain/trace.ts';
import { blockOfTransaction } from '../heads/block-ref.ts';
import type { ChainView } from '../heads/chain-view.ts';
import { type BoundCall, bindCall } from './block-binding.ts';
import type { Flight } from './coalescer.ts';
import type { Engine, EngineAnswer, Work } from './engine.ts';
import { gatewayError, RPC_ERROR } from './errors.ts';
import type { RpcPriority } from './ethereum-rpc.ts';
import type { LocalMethods } from './local-methods.ts';
import type { LogSplitter } from './log-splitter.ts';
import { isKnownMethod, knownMethods, methodSpec } from './methods.ts';
import type { Multicaller } from './multicall.ts';
import { type RpcOutcome, success } from './outcome.ts';
import type { PaidCalls } from './paid-calls.ts';
import type { RawTransactions } from './raw-transactions.ts';

export type CacheVerdict = 'hit' | 'miss' | 'coalesced' | 'bypass' | 'local' | 'shared-hit';

/** One JSON-RPC call of a client, on its way through. The path fills in what happened; headers and metrics read it. */
export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
  readonly requestId: string;
  /** `who.id`: for metrics, cost and explain. */
  readonly principal: string;
  readonly who: Principal;
  readonly priority: RpcPriority;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  readonly deadlineAt: number;
  readonly trace: CallTrace | undefined;
  cache: CacheVerdict;
  provider: string | undefined;
  attempts: number;
  units: number;
  /** Units that the rate limit took when the call arrived. */
  admitted: number;
}

export interface CallPath {
  /** Answers synchronously when it can (cache, local methods): a promise costs more than the answer. Never rejects. */
  execute(call: RpcCall): RpcOutcome | Promise<RpcOutcome>;
}

export interface CallPathDeps {
  readonly clock: Clock;
  readonly view: ChainView;
  readonly local: LocalMethods;
  readonly cache: CallCache;
  readonly shared: SharedCache | undefined;
  readonly paid: PaidCalls;
  readonly engine: Engine;
  readonly logs: LogSplitter;
  readonly multicall: Multicaller;
  readonly writes: RawTransactions;
  readonly extraMethods: ReadonlySet<string>;
  /** Somebody showed us a block above the served head. */
  readonly pokeHeads: () => void;
  /** A call was answered without going upstream; the cost book counts what that saved. */
  readonly onSaved: (call: RpcCall, units: number) => void;
}

/** How long an answer from a block above the served head waits for the head to follow, milliseconds. */
const AHEAD_WAIT_MS = 250;

/**
 * The read path: bind → cache → coalesce → (shared cache) → attempt → store → answer. Admission comes before it, in
 * the front door; providers, retries and hedges are inside the engine.
 */
export function createCallPath(deps: CallPathDeps): CallPath {
  const { clock, view, local, cache, shared, paid, engine, logs, writes } = deps;

  function execute(call: RpcCall): RpcOutcome | Promise<RpcOutcome> {
    const handler = local.find(call.method);
    if (handler !== undefined) {
      call.cache = 'local';
      return handler(call);
    }
    const spec = methodSpec(call.method, deps.extraMethods);
    if (spec === undefined)
      return gatewayError(
        RPC_ERROR.methodNotFound,
        `the method ${short(call.method)} does not exist or is not available${hint(call.method)}`,
      );
    if (spec.write === true) return writes.send(call);

    const bound = bindCall(call.method, spec, call.params, view);
    if ('code' in bound) return gatewayError(bound.code, bound.message);
    if (bound.localResult !== undefined) {
      call.cache = 'local';
      return success(bound.localResult);
    }
    const cached = cache.get(bound);
    if (cached !== undefined) {
      call.cache = 'hit';
      deps.onSaved(call, spec.units);
      note(call.trace, clock.monotonic(), 'cache-hit');
      return success(cached);
    }
    call.cache = spec.cache === 'none' ? 'bypass' : 'miss';
    const units = spec.units * logs.pieces(bound);
    if (!spec.coalesce || bound.block.kind === 'pending') {
      return answered(
        call,
        bound,
        paid.run(call, undefined, units, () => startAlone(call, bound)),
      );
    }
    if (call.who.account !== undefined && shared !== undefined)
      return answered(call, bound, afterLookup(call, bound, units, shared));
    return answered(
      call,
      bound,
      paid.run(call, bound.key, units, () => startShared(call, bound, shared)),
    );
  }

  /** For those who pay: what another replica has cached takes no hold, so it is looked up before one is taken. */
  async function afterLookup(
    call: RpcCall,
    bound: BoundCall,
    units: number,
    lookup: SharedCache,
  ): Promise<EngineAnswer> {
    const entry = await lookup.get(bound);
    const result = entry === undefined ? undefined : cache.adopt(bound, entry);
    if (result !== undefined) return fromSharedCache(result);
    return paid.run(call, bound.key, units, () => startShared(call, bound, undefined));
  }

  /** The work that every call with this key waits for together. */
  function startShared(call: RpcCall, bound: BoundCall, lookIn: SharedCache | undefined): Flight {
    const work = workFor(call, bound);
    let cancelRun: () => void = () => undefined;
    let cancelled = false;
    const run = (): Promise<EngineAnswer> => {
      const started = start(bound, work);
      cancelRun = started.cancel;
      if (cancelled) cancelRun();
      return started.answer.then((answer) => {
        if (answer.outcome.ok) {
          const entry = cache.put(bound, answer.outcome.result);
          if (entry !== undefined) shared?.put(bound, entry);
        }
        return answer;
      });
    };
    const lookup = lookIn?.get(bound);
    const answer =
      lookup === undefined
        ? run()
        : lookup.then((entry) => {
            const result = entry === undefined ? undefined : cache.adopt(bound, entry);
            return result === undefined ? run() : fromSharedCache(result);
          });
    return {
      work,
      answer,
      cancel() {
        cancelled = true;
        cancelRun();
      },
    };
  }

  function startAlone(call: RpcCall, bound: BoundCall): Flight {
    const work = workFor(call, bound);
    return { work, ...start(bound, work) };
  }

  function start(bound: BoundCall, work: Work): { answer: Promise<EngineAnswer>; cancel(): void } {
    if (bound.method === 'eth_call') return deps.multicall.run(bound, work) ?? engine.run(work);
    return bound.method === 'eth_getLogs' && bound.block.kind === 'number'
      ? logs.run(bound, work)
      : engine.run(work);
  }

  function workFor(call: RpcCall, bound: BoundCall): Work {
    return {
      method: call.method,
      spec: bound.spec,
      params: bound.paramsText,
      minBlock: bound.block.kind === 'number' ? bound.block.to : undefined,
      deadlineAt: call.deadlineAt,
      priority: call.priority,
      principal: call.principal,
      weight: call.who.weight,
      trace: call.trace,
      judgeEmpty: judgeFor(bound),
    };
  }

  /** What an empty answer to this call would mean. */
  function judgeFor(bound: BoundCall): Work['judgeEmpty'] {
    const { empty } = bound.spec;
    const head = view.head();
    if (empty === undefined) return undefined;
    if (empty === 'array') {
      // Logs of the newest blocks are where a provider's index may lag behind its head.
      if (bound.block.kind !== 'number' || head === undefined || bound.block.to < head - 2) return undefined;
      return (result) => (result === '[]' ? 'doubtful' : 'fine');
    }
    if (bound.block.kind === 'number') {
      if (head === undefined || bound.block.to > head) return undefined;
      return (result) => (result === 'null' ? 'wrong' : 'fine');
    }
    return (result) => (result === 'null' ? 'doubtful' : 'fine');
  }

  async function answered(
    call: RpcCall,
    bound: BoundCall,
    pending: Promise<EngineAnswer>,
  ): Promise<RpcOutcome> {
    const answer = await pending;
    call.provider = answer.provider;
    if (answer.provider === 'shared-cache') call.cache = 'shared-hit';
    if (call.cache === 'coalesced' || call.cache === 'shared-hit') deps.onSaved(call, bound.spec.units);
    else {
      call.attempts = answer.attempts;
      call.units = answer.units;
    }
    if (bound.spec.cache === 'hash' && answer.outcome.ok) await waitForHead(call, answer.outcome.result);
    return withHint(call.method, answer.outcome);
  }

  /**
   * A receipt may come from a block that the served head has not reached yet. Its reader will ask about `latest`
   * next and must find that block there, so the answer waits a moment for the head.
   */
  async function waitForHead(call: RpcCall, result: string): Promise<void> {
    const head = view.head();
    if (head === undefined || result === 'null') return;
    const block = blockOfTransaction(result);
    if (block === undefined || block.number <= head) return;
    note(call.trace, clock.monotonic(), 'ahead-of-head', undefined, block.number);
    deps.pokeHeads();
    await new Promise<void>((resolve) => {
      const stop = view.onHead((change) => {
        if (change.head >= block.number) finish();
      });
      const timer = clock.setTimeout(
        () => finish(),
        Math.min(AHEAD_WAIT_MS, Math.max(0, call.deadlineAt - clock.monotonic())),
      );
      const finish = (): void => {
        stop();
        timer.cancel();
        resolve();
      };
    });
  }

  return { execute };
}

const fromSharedCache = (result: string): EngineAnswer => ({
  outcome: success(result),
  errorKind: undefined,
  provider: 'shared-cache',
  attempts: 0,
  units: 0,
});

/** Providers say that they do not know a method; we say which one was meant. */
function withHint(method: string, outcome: RpcOutcome): RpcOutcome {
  if (outcome.ok || outcome.code !== RPC_ERROR.methodNotFound || isKnownMethod(method)) return outcome;
  return { ...outcome, message: `${outcome.message}${hint(method)}` };
}

/** The nearest name that is served, for a slip of the finger. */
function hint(method: string): string {
  if (method.length > 60) return '';
  const guess = nearest(method, knownMethods());
  return guess === undefined ? '' : `; did you mean ${guess}?`;
}

function short(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
