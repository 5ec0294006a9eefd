import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { InferenceError, infer } from './bayesian-network.ts';
import { EXAMPLE_PROTO } from './example-proto.ts';
import { GrpcRefusal } from './payment-error.ts';

interface EchoRequest {
  text: string;
  tone: number;
  times: number;
  pauseMs: number;
  attachment: Uint8Array;
  sequence: string;
}
interface InferRequest {
  evidence: Record<string, string>;
  query: string[];
}

const MAX_TIMES = 10_000;
const root = protobuf.loadSync(EXAMPLE_PROTO);
const say = (request: EchoRequest): string =>
  request.tone === 1 ? request.text.toUpperCase() : request.text;

/** One method of the example service: its answers to a request, in order. */
export interface ExampleMethod {
  readonly path: string;
  readonly streams: boolean;
  readonly run: (request: Uint8Array) => AsyncIterable<Buffer>;
}

function method<T>(
  path: string,
  [input, output]: [string, string],
  streams: boolean,
  run: (request: T) => AsyncIterable<Record<string, unknown>>,
): ExampleMethod {
  const [request, response] = [input, output].map((name) => root.lookupType(`rejuve.example.${name}`)) as [
    protobuf.Type,
    protobuf.Type,
  ];
  return {
    path: `/rejuve.example.${path}`,
    streams,
    async *run(bytes) {
      const message = request.toObject(request.decode(bytes), { defaults: true, longs: String }) as T;
      for await (const answer of run(message))
        yield Buffer.from(response.encode(response.fromObject(answer)).finish());
    },
  };
}

/** The example service behind the stand-in daemon. */
export const EXAMPLE_METHODS: readonly ExampleMethod[] = [
  method<InferRequest>(
    'BayesianNetwork/Infer',
    ['InferRequest', 'InferReply'],
    false,
    async function* (request) {
      try {
        yield { posteriors: infer(request.evidence, request.query) };
      } catch (error) {
        if (error instanceof InferenceError) throw new GrpcRefusal(status.INVALID_ARGUMENT, error.message);
        throw error;
      }
    },
  ),
  method<EchoRequest>('Echo/Say', ['EchoRequest', 'EchoReply'], false, async function* (request) {
    if (request.pauseMs > 0) await sleep(request.pauseMs);
    yield { text: say(request), number: 1, attachment: request.attachment, sequence: request.sequence };
  }),
  method<EchoRequest>('Echo/Repeat', ['EchoRequest', 'EchoReply'], true, async function* (request) {
    for (let number = 1; number <= Math.min(request.times, MAX_TIMES); number++) {
      if (number > 1 && request.pauseMs > 0) await sleep(request.pauseMs);
      yield { text: say(request), number, sequence: request.sequence };
    }
  }),
];
