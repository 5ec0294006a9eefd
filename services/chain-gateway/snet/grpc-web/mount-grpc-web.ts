import { status } from '@grpc/grpc-js';
import type { Express, Request, Response } from 'express';
import { AppError, toAppError } from '../../../../lib/errors.ts';
import type { Authenticator } from '../../../../lib/http/app.ts';
import type { Clock } from '../../../../lib/time.ts';
import { callerOf } from '../calls/caller.ts';
import type { Snet } from '../create-snet.ts';
import { dataFrame, encodeStatusMessage, readMessage, timeoutMs, trailerFrame } from './frames.ts';

/** HTTP statuses of our errors as gRPC's, for those that no service gave. */
const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  409: status.FAILED_PRECONDITION,
  413: status.RESOURCE_EXHAUSTED,
  415: status.UNIMPLEMENTED,
  422: status.INVALID_ARGUMENT,
  429: status.RESOURCE_EXHAUSTED,
  500: status.INTERNAL,
  502: status.UNAVAILABLE,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};
const LAST_GRPC_STATUS = 16;
const grpcStatusOf = (error: AppError): number => {
  const own = error.extra?.grpcStatus;
  if (typeof own === 'number' && own > 0 && own <= LAST_GRPC_STATUS) return own;
  return GRPC_STATUS[error.kind.status] ?? status.UNKNOWN;
};

/**
 * gRPC-web in front of the same calls: `POST /v1/snet/{org}/{service}/grpc-web/{package.Service}/{Method}`, in binary
 * and in `-text` (Base64). A client is given `…/v1/snet/{org}/{service}/grpc-web` as its host.
 */
export function mountGrpcWeb(deps: {
  snet: Snet;
  authenticate: Authenticator;
  clock: Clock;
}): (app: Express) => void {
  const { snet, authenticate, clock } = deps;

  async function answer(req: Request, res: Response): Promise<void> {
    res.locals.route = '/v1/snet/{org}/{service}/grpc-web/{grpcService}/{method}';
    res.locals.isStream = true;
    const type = String(req.headers['content-type'] ?? '');
    const text = type.startsWith('application/grpc-web-text');
    if (!type.startsWith('application/grpc-web')) {
      throw new AppError(
        'unsupported_media_type',
        'Send the body as application/grpc-web or application/grpc-web-text.',
      );
    }
    const write = (bytes: Buffer): void => void res.write(text ? bytes.toString('base64') : bytes);
    const finish = (trailers: Record<string, string>): void => {
      write(trailerFrame(trailers));
      res.end();
    };
    const gone = new AbortController();
    res.once('close', () => gone.abort(new Error('the client left')));
    res.status(200);
    res.setHeader('content-type', text ? 'application/grpc-web-text+proto' : 'application/grpc-web+proto');
    try {
      const principal = await authenticate(req);
      if (!principal)
        throw new AppError('unauthenticated', 'Send credentials: Authorization: Bearer <token>.');
      const { org, service, grpcService, method } = req.params as Record<string, string>;
      const { maxMessageBytes } = snet.directory.find(org as string, service as string).settings;
      const caller = callerOf(req.headers, principal, clock);
      const result = await snet.calls.call({
        ...caller,
        org: org as string,
        service: service as string,
        method: `${grpcService}/${method}`,
        timeoutMs: timeoutMs(req.get('grpc-timeout')) ?? caller.timeoutMs,
        body: { bytes: await readBody(req, text, maxMessageBytes) },
        idempotencyKey: undefined,
        signal: gone.signal,
        onMessage: (message) => write(dataFrame(message)),
      });
      if (!result.method.streamsAnswers && result.message) write(dataFrame(result.message));
      finish({
        'grpc-status': '0',
        'x-snet-call-id': result.receipt.id,
        'x-snet-payment': result.receipt.mode,
        'x-snet-charged-cogs': result.receipt.charged.toString(),
      });
    } catch (raw) {
      const error = toAppError(raw);
      finish({
        'grpc-status': String(grpcStatusOf(error)),
        'grpc-message': encodeStatusMessage(error.message),
        'x-error-code': error.code,
      });
    }
  }

  return (app) => {
    app.post('/v1/snet/:org/:service/grpc-web/:grpcService/:method', (req, res, next) => {
      answer(req, res).catch(next);
    });
  };
}

/** A frame's header, and a third more for Base64. */
const frameLimit = (maxMessageBytes: number, text: boolean): number =>
  Math.ceil((maxMessageBytes + 8) * (text ? 4 / 3 : 1));

async function readBody(req: Request, text: boolean, maxMessageBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > frameLimit(maxMessageBytes, text))
      throw new AppError(
        'body_too_large',
        `This service takes messages of at most ${maxMessageBytes} bytes.`,
      );
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  try {
    return readMessage(text ? Buffer.from(bytes.toString('latin1'), 'base64') : bytes);
  } catch (cause) {
    throw new AppError('invalid_request', `The body is no gRPC-web message: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
