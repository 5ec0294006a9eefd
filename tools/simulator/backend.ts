export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

export type RpcOutcome =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } };

/** What `view faults` do to the chain a caller sees. Heights are absolute. */
export interface ChainLens {
  /** The caller sees nothing above this height. */
  readonly maxHeight?: number;
  /** From this height on, the caller sees a branch of its own. */
  readonly forkFrom?: number;
  readonly forkSalt?: string;
}

/** Notification payloads, as they appear in `eth_subscription`’s `params.result`. */
export type SubscriptionListener = (result: unknown) => void;

/** Where answers come from: a real node, or the synthetic chain. */
export interface Backend {
  readonly kind: 'proxy' | 'synthetic';
  call(call: RpcCall, lens: ChainLens | undefined, signal: AbortSignal): Promise<RpcOutcome>;
  /** Passes a body through untouched; only without call faults. Rejects when the node cannot be reached. */
  forward?(body: Buffer, signal: AbortSignal): Promise<{ status: number; body: Buffer }>;
  head(signal: AbortSignal): Promise<number>;
  subscribe(
    kind: string,
    filter: unknown,
    listener: SubscriptionListener,
    onLost: (reason: string) => void,
  ): Promise<() => void>;
  close(): Promise<void>;
}
