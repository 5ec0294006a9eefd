import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { Wallet } from 'ethers';
import { createDaemonChain } from './chain.ts';
import {
  createObserved,
  type DaemonContext,
  type DaemonSettings,
  type Faults,
  NO_FAULTS,
} from './context.ts';
import { DAEMON_METHODS } from './daemon-methods.ts';
import { EXAMPLE_METHODS, type ExampleMethod } from './example-service.ts';
import { createOwnServices } from './own-services.ts';
import { createPaymentChannels } from './payment-channels.ts';
import { GrpcRefusal } from './payment-error.ts';
import { createPaymentHandlers, type TakenPayment } from './payment-handlers.ts';
import { REFLECTION_PATHS, reflect } from './reflection.ts';
import { createDaemonStorage } from './storage.ts';

export interface DaemonOptions extends DaemonSettings {
  readonly rpcUrl: string;
  readonly host?: string;
  /** 0: any free one. */
  readonly port: number;
  /** Keeps what a daemon keeps in etcd; absent: in memory. */
  readonly stateFile?: string | undefined;
  /** Signs prepaid tokens. */
  readonly tokenSecret?: string;
}

/** A daemon for development and tests: the wire protocol of SingularityNET's, with faults on demand. */
export interface StandInDaemon {
  readonly context: DaemonContext;
  readonly port: number;
  readonly endpoint: string;
  set(faults: Partial<Faults>): void;
  /** Ends every connection, stays away for so long, and comes back with what it had stored. */
  restart(downMs: number): Promise<void>;
  /** As if its storage had been emptied; `secret` alone makes every token invalid. */
  forget(what: 'everything' | 'secret'): void;
  /** Starts a claim: raises the nonce, and answers what the recipient sends to the contract. */
  startClaim(channelId: bigint, close?: boolean): { nonce: bigint; amount: bigint; signature: string };
  close(): Promise<void>;
}

/** The newest block is asked for at most this often. */
const BLOCK_CACHE_MS = 100;
const same = (bytes: Buffer): Buffer => bytes;
const DEFAULT_SECRET = 'a token secret for development, 32 bytes and more';

export async function startDaemon(options: DaemonOptions): Promise<StandInDaemon> {
  const faults: Faults = { ...NO_FAULTS };
  const chain = createDaemonChain(options.rpcUrl, options.mpeAddress);
  let block: { at: number; number: bigint } | undefined;
  const context: DaemonContext = {
    settings: options,
    chain,
    storage: createDaemonStorage(options.stateFile, options.tokenSecret ?? DEFAULT_SECRET),
    faults,
    observed: createObserved(),
    async currentBlock() {
      if (block === undefined || performance.now() - block.at > BLOCK_CACHE_MS)
        block = { at: performance.now(), number: await chain.currentBlock() };
      return block.number + BigInt(faults.blockSkew);
    },
    now: () => Date.now() + faults.clockSkewMs,
  };
  const channels = createPaymentChannels(context);
  const takePayment = createPaymentHandlers(context, channels, new Wallet(options.freeCallSignerKey).address);
  const own = createOwnServices(context, channels);
  const { observed } = context;

  let busy = 0;
  const waiting: (() => void)[] = [];
  /** The service behind the daemon works on so many calls at once and lets the others wait. */
  async function work<T>(run: () => Promise<T>): Promise<T> {
    while (busy >= faults.workers) await new Promise<void>((resolve) => waiting.push(resolve));
    busy += 1;
    try {
      if (faults.slowMs + faults.workMs > 0) await sleep(faults.slowMs + faults.workMs);
      return await run();
    } finally {
      busy -= 1;
      waiting.shift()?.();
    }
  }

  /** A paid call from payment to completion. @throws GrpcRefusal */
  async function paid(
    method: ExampleMethod,
    metadata: Metadata,
    cancelled: () => boolean,
    run: () => Promise<void>,
  ): Promise<void> {
    if (faults.overloaded)
      throw new GrpcRefusal(status.RESOURCE_EXHAUSTED, 'rate limiting , too many requests to handle');
    const payment: TakenPayment = await takePayment(metadata, method.path);
    try {
      if (faults.failShare > 0 && Math.random() < faults.failShare)
        throw new GrpcRefusal(status.INTERNAL, 'the example service failed, as it was told to');
      await work(run);
      if (cancelled()) throw new GrpcRefusal(status.CANCELLED, 'context canceled');
    } catch (error) {
      payment.completeAfterError();
      observed.count('refunded');
      throw error;
    }
    payment.complete();
    observed.count('answered');
  }

  const toStatus = (error: unknown): { code: number; details: string } =>
    error instanceof GrpcRefusal
      ? { code: error.code, details: error.details }
      : { code: status.INTERNAL, details: `internal error: ${(error as Error).message}` };

  function build(): Server {
    const server = new Server({ 'grpc.max_receive_message_length': 4 * 1024 * 1024 });
    for (const [path, run] of Object.entries(own)) {
      const types = DAEMON_METHODS[path];
      if (!types) throw new Error(`no message types for ${path}`);
      server.register(
        path,
        (
          call: ServerUnaryCall<Record<string, never>, Record<string, unknown>>,
          done: sendUnaryData<Record<string, unknown>>,
        ) => {
          observed.count(path);
          if (!faults.prepaid && path.startsWith('/escrow.TokenService/'))
            return done({ code: status.UNIMPLEMENTED, details: 'unknown service escrow.TokenService' });
          run(call.request as never).then(
            (answer) => done(null, answer),
            (error) => done(toStatus(error)),
          );
        },
        types.encodeReply,
        types.decodeRequest,
        'unary',
      );
    }
    for (const method of EXAMPLE_METHODS) {
      if (method.streams) {
        server.register(
          method.path,
          (call: ServerWritableStream<Buffer, Buffer>) => {
            paid(
              method,
              call.metadata,
              () => call.cancelled,
              async () => {
                for await (const message of method.run(call.request)) {
                  if (call.cancelled) return;
                  call.write(message);
                }
              },
            ).then(
              () => call.end(),
              (error) => call.emit('error', toStatus(error)),
            );
          },
          same,
          same,
          'serverStream',
        );
        continue;
      }
      server.register(
        method.path,
        (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
          let answer: Buffer | undefined;
          paid(
            method,
            call.metadata,
            () => call.cancelled,
            async () => {
              for await (const message of method.run(call.request)) answer = message;
            },
          ).then(
            () => {
              if (faults.loseAnswers > 0) {
                faults.loseAnswers -= 1;
                observed.count('answersLost');
                done({ code: status.UNAVAILABLE, details: 'connection reset' });
              } else done(null, answer);
            },
            (error) => done(toStatus(error)),
          );
        },
        same,
        same,
        'unary',
      );
    }
    for (const path of REFLECTION_PATHS) {
      server.register(
        path,
        (call: ServerDuplexStream<Buffer, Buffer>) => {
          call.on('data', (request: Buffer) => call.write(reflect(request)));
          call.on('end', () => call.end());
        },
        same,
        same,
        'bidi',
      );
    }
    return server;
  }

  const host = options.host ?? '127.0.0.1';
  const listen = async (server: Server, port: number): Promise<number> =>
    new Promise((resolve, reject) =>
      server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
  let server = build();
  const port = await listen(server, options.port);

  return {
    context,
    port,
    endpoint: `http://${host}:${port}`,
    set: (changed) => void Object.assign(faults, changed),
    async restart(downMs) {
      server.forceShutdown();
      context.storage.flush();
      await sleep(downMs);
      server = build();
      await listen(server, port);
      observed.count('restarts');
    },
    forget(what) {
      if (what === 'everything') context.storage.forget();
      else context.storage.state.secret = `${context.storage.state.secret.slice(0, 40)}-${Date.now()}`;
      context.storage.changed();
    },
    startClaim: (channelId, close = false) => channels.startClaim(channelId, close),
    async close() {
      server.forceShutdown();
      context.storage.flush();
    },
  };
}
