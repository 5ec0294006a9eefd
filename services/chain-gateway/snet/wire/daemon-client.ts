import {
  type CallOptions,
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { type DaemonMethod, decodeMessage, encodeMessage } from './daemon-protos.ts';

/** A gRPC status that is not OK. `code` may be outside gRPC's own (IncorrectNonce is 1000). */
export class DaemonError extends Error {
  override readonly name = 'DaemonError';
  readonly code: number;
  readonly details: string;
  constructor(code: number, details: string, cause?: unknown) {
    super(`gRPC status ${status[code] ?? code}: ${details}`, { cause });
    this.code = code;
    this.details = details;
  }
}

export interface RawCall {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly body: Buffer;
  readonly metadata: Metadata;
  /** Wall clock, epoch milliseconds. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/** Connection to one endpoint of a daemon. Messages are bytes: who knows their types converts them. */
export interface DaemonClient {
  readonly endpoint: string;
  unary(call: RawCall): Promise<Buffer>;
  /** One request, many answers. Leaving the loop cancels the call. */
  stream(call: RawCall): AsyncIterable<Buffer>;
  /** The daemon's own services. */
  ask<T>(
    method: DaemonMethod,
    request: Record<string, unknown>,
    options: { deadline: number; signal?: AbortSignal | undefined },
  ): Promise<T>;
  close(): void;
}

const same = (bytes: Buffer): Buffer => bytes;

/** @param endpoint `http://host:port` (clear text) or `https://host:port`; @param maxMessageBytes both ways */
export function createDaemonClient(endpoint: string, maxMessageBytes: number): DaemonClient {
  const url = new URL(endpoint);
  const secure = url.protocol === 'https:';
  const creds: ChannelCredentials = secure ? credentials.createSsl() : credentials.createInsecure();
  const client = new Client(`${url.hostname}:${url.port || (secure ? 443 : 80)}`, creds, {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    // Retries of the library would repeat a paid call; ours know what was paid.
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    'grpc.keepalive_time_ms': 30_000,
  });
  const options = (call: RawCall): CallOptions => ({ deadline: call.deadline });
  const toError = (error: ServiceError): DaemonError => new DaemonError(error.code, error.details, error);

  async function unary(call: RawCall): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const running = client.makeUnaryRequest<Buffer, Buffer>(
        call.path,
        same,
        same,
        call.body,
        call.metadata,
        options(call),
        (error, answer) => {
          call.signal?.removeEventListener('abort', cancel);
          if (error) reject(toError(error));
          else if (answer === undefined) reject(new DaemonError(status.INTERNAL, 'no message in the answer'));
          else resolve(answer);
        },
      );
      const cancel = (): void => running.cancel();
      if (call.signal?.aborted) cancel();
      else call.signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  async function* stream(call: RawCall): AsyncIterable<Buffer> {
    const running: ClientReadableStream<Buffer> = client.makeServerStreamRequest(
      call.path,
      same,
      same,
      call.body,
      call.metadata,
      options(call),
    );
    const cancel = (): void => running.cancel();
    if (call.signal?.aborted) cancel();
    call.signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of running) yield message as Buffer;
    } catch (error) {
      throw toError(error as ServiceError);
    } finally {
      call.signal?.removeEventListener('abort', cancel);
      running.cancel();
    }
  }

  return {
    endpoint,
    unary,
    stream,
    async ask<T>(
      method: DaemonMethod,
      request: Record<string, unknown>,
      { deadline, signal }: { deadline: number; signal?: AbortSignal | undefined },
    ): Promise<T> {
      const body = encodeMessage(method.request, request);
      const answer = await unary({ path: method.path, body, metadata: new Metadata(), deadline, signal });
      return decodeMessage<T>(method.response, answer);
    },
    close: () => client.close(),
  };
}
