import { status } from '@grpc/grpc-js';

/** A refusal with its status on the wire. 1000 is the daemon's own IncorrectNonce. */
export class GrpcRefusal extends Error {
  override readonly name = 'GrpcRefusal';
  readonly code: number;
  readonly details: string;
  constructor(code: number, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

export const INCORRECT_NONCE = 1000;
export const refuse = {
  internal: (text: string) => new GrpcRefusal(status.INTERNAL, text),
  /** Any plain error during payment is wrapped like this. */
  plain: (text: string) => new GrpcRefusal(status.INTERNAL, `internal error: ${text}`),
  unauthenticated: (text: string) => new GrpcRefusal(status.UNAUTHENTICATED, text),
  precondition: (text: string) => new GrpcRefusal(status.FAILED_PRECONDITION, text),
  argument: (text: string) => new GrpcRefusal(status.INVALID_ARGUMENT, text),
  nonce: (text: string) => new GrpcRefusal(INCORRECT_NONCE, text),
  /** Plain errors of the daemon's own unary services carry no status: gRPC calls that Unknown. */
  unknown: (text: string) => new GrpcRefusal(status.UNKNOWN, text),
};
