import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import type { RpcFailure } from '../rpc/outcome.ts';

/** `internal`: the gateway's own work (transactions, indexer, subscriptions). */
export type PrincipalKind = 'anonymous' | 'internal' | 'service' | 'api-key' | 'call-token';

/** What a principal may call. Absent means everything that the gateway allows at all. */
export interface PrincipalScope {
  /** Chain ids. */
  readonly chains?: ReadonlySet<number>;
  /** Method names, or prefixes that end in `*` (`eth_get*`). */
  readonly methods?: readonly string[];
  /** `write` includes reading; only `write` may send transactions. */
  readonly access: 'read' | 'write';
}

/** A token bucket in compute units. */
export interface UnitLimit {
  readonly unitsPerSecond: number;
  /** Units that may be spent at once after a pause. */
  readonly burst: number;
}

/** Who a call is made for, and what that allows. One object per credential, shared by all of its calls. */
export interface Principal {
  readonly kind: PrincipalKind;
  /** Stable and free of secrets: `anonymous`, `service:api`, `key:<id>`, `token:<allotment id>`. */
  readonly id: string;
  readonly scope: PrincipalScope;
  /** The classes it may ask for with `x-priority`; the first is what it gets when it does not ask. */
  readonly priorities: readonly [RpcPriority, ...RpcPriority[]];
  /** Share of a contended queue relative to the others of its class; 1 is ordinary. */
  readonly weight: number;
  readonly limit: UnitLimit | undefined;
  /** Set when calls are paid from a budget: a call that goes upstream takes a hold first. Cache hits take none. */
  readonly account: SpendingAccount | undefined;
  /**
   * Says why the credential is no good any more (revoked, expired). Asked before every call, so that it also ends what
   * goes on over a WebSocket that was opened when it still was; must be cheap. Absent: good for as long as it is known.
   */
  readonly check?: () => RpcFailure | undefined;
}

export interface HoldRequest {
  /** Unique per call, so that a repeated reservation is recognised. */
  readonly callId: string;
  readonly method: string;
  /** The most that the call can cost, compute units. */
  readonly units: number;
  /** Milliseconds from now until the call is over, whatever happens; the hold returns by itself some time after. */
  readonly deadlineMs: number;
}

export interface SpendingAccount {
  /** Reserves units before a call goes upstream, or says why not. Nothing is charged when it is refused. */
  hold(request: HoldRequest): Promise<Hold | RpcFailure>;
}

/** Ends exactly once; later calls do nothing. */
export interface Hold {
  /** `units` is what the call did cost, at most what is held; the rest goes back. */
  settle(units: number): void;
  /** The call never happened: everything goes back. */
  release(): void;
}

const ALL_CLASSES = ['standard', 'interactive', 'background'] as const;

/** A principal without limits: for the gateway's own parts, and where the operator lets anybody in. */
export function unlimitedPrincipal(kind: PrincipalKind, id: string): Principal {
  return {
    kind,
    id,
    scope: { access: 'write' },
    priorities: ALL_CLASSES,
    weight: 1,
    limit: undefined,
    account: undefined,
  };
}

/** A limit from a setting: with a burst of two seconds, so that a page that loads is not held up. */
export function unitLimit(unitsPerSecond: number | undefined): UnitLimit | undefined {
  return unitsPerSecond === undefined ? undefined : { unitsPerSecond, burst: 2 * unitsPerSecond };
}
