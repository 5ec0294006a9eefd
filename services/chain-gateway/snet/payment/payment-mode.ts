import type { Metadata } from '@grpc/grpc-js';
import type { CallPriority } from '../calls/turn-queue.ts';
import type { SnetService } from '../config/service-directory.ts';
import type { CallMode, NewCall } from '../store/call-store.ts';
import type { DaemonClient } from '../wire/daemon-client.ts';
import type { DaemonVerdict } from '../wire/daemon-errors.ts';

/** What every way to pay needs to know about a call. */
export interface PayableCall {
  readonly service: SnetService;
  /** All but the mode and the channel, which the way to pay fills in. */
  readonly record: Omit<NewCall, 'mode' | 'channel'>;
  readonly client: DaemonClient;
  /** Epoch milliseconds, for gRPC; and the same on the monotonic clock, for waiting. */
  readonly deadline: number;
  readonly monotonicDeadline: number;
  readonly signal: AbortSignal | undefined;
  readonly priority: CallPriority;
  /**
   * Makes the call with this payment. Resolves when it has ended well, stream included.
   * @throws CallFailure
   */
  send(metadata: Metadata): Promise<void>;
  /** The answer as kept for a repetition with the same Idempotency-Key, once `send` has resolved. */
  answer(): string | undefined;
}

/** A call that ended badly, judged. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly verdict: DaemonVerdict;
  readonly code: number;
  readonly details: string;
  constructor(verdict: DaemonVerdict, code: number, details: string, cause?: unknown) {
    super(details, { cause });
    this.verdict = verdict;
    this.code = code;
    this.details = details;
  }
}

/** This way to pay cannot be used for the service now; the next one may. */
export class ModeUnavailable extends Error {
  override readonly name = 'ModeUnavailable';
}

/** One way to pay. `run` resolves when the call was answered, paid and written down. */
export interface PaymentMode {
  readonly mode: CallMode;
  /** @throws ModeUnavailable, CallFailure, AppError */
  run(call: PayableCall): Promise<void>;
}
