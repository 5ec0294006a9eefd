import { status } from '@grpc/grpc-js';
import { AppError, type ErrorCode } from '../../../../lib/errors.ts';
import type { SnetService } from '../config/service-directory.ts';
import type { ServiceMethod } from '../descriptors/service-methods.ts';
import type { CallFailure } from '../payment/payment-mode.ts';

/** gRPC statuses of a service, as ours. What is not here is `snet_service_error`. */
const SERVICE_CODES: Readonly<Record<number, ErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'invalid_argument',
  [status.OUT_OF_RANGE]: 'invalid_argument',
  [status.NOT_FOUND]: 'not_found',
  [status.ALREADY_EXISTS]: 'conflict',
  [status.FAILED_PRECONDITION]: 'conflict',
  [status.ABORTED]: 'conflict',
  [status.DEADLINE_EXCEEDED]: 'deadline_exceeded',
  [status.RESOURCE_EXHAUSTED]: 'queue_full',
  [status.UNAVAILABLE]: 'dependency_unavailable',
};

/** The failure of a call, for whoever made it: whose fault it is, and that nothing was charged. */
export function toCallError(service: SnetService, method: ServiceMethod, failure: CallFailure): AppError {
  const what = `${service.org}/${service.id} ${method.name}`;
  const extra = {
    grpcStatus: failure.code,
    grpcStatusName: status[failure.code] ?? String(failure.code),
    charged: false,
  };
  const make = (code: ErrorCode, detail: string, retryAfterSeconds?: number): AppError =>
    new AppError(code, detail, { extra, retryAfterSeconds, cause: failure });
  switch (failure.verdict) {
    case 'service':
      if (failure.code === status.UNIMPLEMENTED)
        return make(
          'not_found',
          `${what}: the daemon's service has no such method; its message types may be of another version.`,
        );
      return make(
        SERVICE_CODES[failure.code] ?? 'snet_service_error',
        `${what} answered ${extra.grpcStatusName}: ${failure.details}. Nothing was charged.`,
      );
    case 'unknown':
      return failure.code === status.DEADLINE_EXCEEDED
        ? make(
            'deadline_exceeded',
            `${what} did not answer in time. Nothing was charged; the call may have been carried out.`,
          )
        : make(
            'snet_answer_lost',
            `The connection to ${what} broke before the answer came (${failure.details}). Nothing was charged; the call may have been carried out.`,
            1,
          );
    case 'overloaded':
      return make('queue_full', `${what}: the daemon sheds load (${failure.details}).`, 2);
    case 'busy':
      return make('queue_full', `${what}: the payment channel is busy (${failure.details}).`, 1);
    case 'funds':
      return make(
        'insufficient_funds',
        `${what}: the daemon finds too little on the payment channel, or its end too near: ${failure.details}.`,
        10,
      );
    default:
      return make(
        'snet_payment_refused',
        `${what}: the daemon refused the payment (${extra.grpcStatusName}: ${failure.details}). Check group id, recipient, price and signer in SNET_FILE against the metadata of the organisation.`,
      );
  }
}
