/** One call as it goes to one provider, and what came back. */
export interface AttemptRequest {
  readonly method: string;
  /** JSON text of the parameters. */
  readonly params: string;
  /** Milliseconds after which the attempt is given up. */
  readonly timeoutMs: number;
  /** Never shares an HTTP request with other calls: writes, probes, and calls known to be slow. */
  readonly alone: boolean;
}

export type AttemptResult =
  | { readonly kind: 'result' /** JSON text. */; readonly result: string }
  | {
      readonly kind: 'error';
      readonly code: number;
      readonly message: string;
      /** JSON text of `data`. */
      readonly data?: string | undefined;
      readonly retryAfterMs?: number | undefined;
    }
  | {
      readonly kind: 'fault';
      readonly fault: TransportFault;
      readonly message: string;
      readonly status?: number | undefined;
      readonly retryAfterMs?: number | undefined;
    };

/**
 * `rate-limited`: HTTP 429 · `unauthorized`: HTTP 401/403 · `http`: any other status without a JSON-RPC body ·
 * `malformed`: a body that is not the answer to what was asked · `aborted`: given up by us, says nothing about the provider.
 */
export type TransportFault =
  | 'connect'
  | 'reset'
  | 'timeout'
  | 'http'
  | 'malformed'
  | 'rate-limited'
  | 'unauthorized'
  | 'aborted';

/** A running attempt; `cancel` gives it up, after which `done` is not called. */
export interface RunningAttempt {
  cancel(): void;
}

export type AttemptDone = (result: AttemptResult) => void;

/** Sends HTTP bodies to one provider; the part that a simulation replaces. */
export interface UpstreamTransport {
  /**
   * Posts `body` and calls `done` exactly once unless cancelled. Never throws.
   * @param timeoutMs until the whole answer has arrived
   */
  post(body: string, timeoutMs: number, done: (reply: TransportReply) => void): RunningAttempt;
  close(): Promise<void>;
}

export type TransportReply =
  | {
      readonly ok: true;
      readonly status: number;
      readonly retryAfter: string | undefined;
      readonly body: string;
    }
  | { readonly ok: false; readonly fault: TransportFault; readonly message: string };
