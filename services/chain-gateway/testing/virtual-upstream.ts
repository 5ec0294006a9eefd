import type { Random } from '../../../lib/random.ts';
import type { Clock, Timer } from '../../../lib/time.ts';
import type { TransportReply, UpstreamTransport } from '../providers/attempt.ts';
import type { VirtualBlock, VirtualChain } from './virtual-chain.ts';

/** What is wrong with an upstream; the members of several episodes at the same time are merged. */
export interface Faults {
  /** Connections are refused. */
  readonly down?: boolean;
  /** Requests are taken and never answered. */
  readonly hang?: boolean;
  /** Share of requests answered with HTTP 500. */
  readonly errorRate?: number;
  /** Share of requests that take `slowMs` longer. */
  readonly slowRate?: number;
  readonly slowMs?: number;
  /** Calls per second; the rest is refused. */
  readonly limit?: { readonly perSecond: number; readonly style: 'http' | 'http-retry-after' | 'in-200' };
  /** The same as a token bucket, which is what many providers have. */
  readonly bucket?: { readonly perSecond: number; readonly burst: number; readonly retryAfter: boolean };
  /** Works on so many calls at once, each so long; the rest waits inside it and is never refused. */
  readonly capacity?: { readonly slots: number; readonly serviceMs: number };
  /** Blocks behind. */
  readonly lag?: number;
  /** Share of answers that are null although the data exists. */
  readonly wrongEmptyRate?: number;
  /** Share of answers cut in the middle. */
  readonly truncateRate?: number;
  readonly wrongChain?: boolean;
}

export interface VirtualUpstream extends UpstreamTransport {
  faults: Faults;
  /** Calls (not HTTP requests) that arrived. */
  calls(): number;
  /** Balance reads among them: what clients asked for, without head polls. */
  readonly balanceCalls: number;
  /** Calls that were refused for their number. */
  refused(): number;
}

interface Call {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** One provider in virtual time: answers from a virtual chain, with the faults of the moment. */
export function createVirtualUpstream(deps: {
  chain: VirtualChain;
  clock: Clock;
  random: Random;
  /** Usual time to answer, milliseconds, and how much it varies. */
  latencyMs: number;
  jitterMs: number;
}): VirtualUpstream {
  const { chain, clock, random } = deps;
  let calls = 0;
  let refused = 0;
  let windowStart = 0;
  let inWindow = 0;
  let tokens = 0;
  let tokensAt = 0;
  let balanceCalls = 0;

  const visible = (): VirtualBlock =>
    chain.block(Math.max(0, chain.head().number - (upstream.faults.lag ?? 0))) as VirtualBlock;
  const blockFor = (tag: unknown): VirtualBlock | undefined => {
    const head = visible();
    if (tag === 'latest' || tag === 'pending' || tag === undefined) return head;
    if (tag === 'finalized' || tag === 'safe')
      return chain.block(Math.max(0, Math.min(chain.finalized(), head.number)));
    const number = Number(tag);
    return number <= head.number ? chain.block(number) : undefined;
  };
  const answer = (call: Call): string => {
    const ok = (result: string): string => `{"jsonrpc":"2.0","id":${call.id},"result":${result}}`;
    const error = (code: number, message: string): string =>
      `{"jsonrpc":"2.0","id":${call.id},"error":{"code":${code},"message":"${message}"}}`;
    const { faults } = upstream;
    if (faults.limit !== undefined && overLimit(faults.limit.perSecond)) {
      refused++;
      return error(429, 'too many requests');
    }
    switch (call.method) {
      case 'eth_chainId':
        return ok(`"0x${(faults.wrongChain === true ? 999 : chain.chainId).toString(16)}"`);
      case 'eth_getBlockByNumber': {
        const block = blockFor(call.params[0]);
        if (block === undefined) return ok('null');
        if (call.params[0] !== 'latest' && random.float() < (faults.wrongEmptyRate ?? 0)) return ok('null');
        return ok(chain.json(block));
      }
      case 'eth_getBalance': {
        const block = blockFor(call.params[1]);
        return block === undefined
          ? error(-32000, 'header not found')
          : ok(`"${chain.balance(String(call.params[0]), block)}"`);
      }
      case 'eth_call':
        return error(3, 'execution reverted: no');
      default:
        return error(-32601, 'the method does not exist');
    }
  };
  /** A fixed window of one second, the way most providers count. */
  const overLimit = (perSecond: number): boolean => {
    const now = clock.monotonic();
    if (now - windowStart >= 1_000) {
      windowStart = now - ((now - windowStart) % 1_000);
      inWindow = 0;
    }
    inWindow++;
    return inWindow > perSecond;
  };

  const bucketIsEmpty = (bucket: NonNullable<Faults['bucket']>): boolean => {
    const now = clock.monotonic();
    tokens = Math.min(bucket.burst, tokens + ((now - tokensAt) / 1_000) * bucket.perSecond);
    tokensAt = now;
    if (tokens < 1) return true;
    tokens--;
    return false;
  };

  const freeAt: number[] = [];
  /** Milliseconds until the last of these calls is done, waiting for a slot included. */
  const workFor = ({ slots, serviceMs }: NonNullable<Faults['capacity']>, count: number): number => {
    const now = clock.monotonic();
    while (freeAt.length < slots) freeAt.push(0);
    freeAt.length = slots;
    let last = now;
    for (let i = 0; i < count; i++) {
      const slot = freeAt.indexOf(Math.min(...freeAt));
      freeAt[slot] = Math.max(now, freeAt[slot] as number) + serviceMs;
      last = Math.max(last, freeAt[slot] as number);
    }
    return last - now;
  };

  const upstream: VirtualUpstream = {
    faults: {},
    get balanceCalls() {
      return balanceCalls;
    },
    calls: () => calls,
    refused: () => refused,
    close: () => Promise.resolve(),
    post(body, timeoutMs, done) {
      let timer: Timer | undefined;
      let settled = false;
      const settle = (reply: TransportReply): void => {
        if (settled) return;
        settled = true;
        timer?.cancel();
        giveUp.cancel();
        done(reply);
      };
      const giveUp = clock.setTimeout(
        () => settle({ ok: false, fault: 'timeout', message: 'no answer in time' }),
        timeoutMs,
      );
      const after = (ms: number, reply: () => TransportReply): void => {
        timer = clock.setTimeout(() => settle(reply()), ms);
      };
      const parsed = JSON.parse(body) as Call | Call[];
      const batch = Array.isArray(parsed) ? parsed : [parsed];
      calls += batch.length;
      balanceCalls += batch.filter(({ method }) => method === 'eth_getBalance').length;
      const { faults } = upstream;
      if (faults.down === true)
        after(1, () => ({ ok: false, fault: 'connect', message: 'connection refused' }));
      else if (faults.hang !== true) {
        const slow = random.float() < (faults.slowRate ?? 0) ? (faults.slowMs ?? 2_000) : 0;
        const busy = faults.capacity === undefined ? 0 : workFor(faults.capacity, batch.length);
        after(deps.latencyMs + random.float() * deps.jitterMs + slow + busy, () => {
          if (upstream.faults.down === true)
            return { ok: false, fault: 'reset', message: 'connection reset' };
          if (random.float() < (faults.errorRate ?? 0))
            return { ok: true, status: 500, retryAfter: undefined, body: 'oops' };
          const { limit, bucket } = faults;
          if (bucket !== undefined && batch[0]?.method === 'eth_getBalance' && bucketIsEmpty(bucket)) {
            refused++;
            return { ok: true, status: 429, retryAfter: bucket.retryAfter ? '1' : undefined, body: '' };
          }
          if (
            limit !== undefined &&
            limit.style !== 'in-200' &&
            batch.length === 1 &&
            overLimit(limit.perSecond)
          ) {
            refused++;
            return {
              ok: true,
              status: 429,
              retryAfter: limit.style === 'http-retry-after' ? '1' : undefined,
              body: '',
            };
          }
          const answers = batch.map(answer);
          const text = Array.isArray(parsed) ? `[${answers.join(',')}]` : (answers[0] as string);
          const cut = random.float() < (faults.truncateRate ?? 0);
          return {
            ok: true,
            status: 200,
            retryAfter: undefined,
            body: cut ? text.slice(0, Math.floor(text.length / 2)) : text,
          };
        });
      }
      return {
        cancel() {
          settled = true;
          timer?.cancel();
          giveUp.cancel();
        },
      };
    },
  };
  return upstream;
}
