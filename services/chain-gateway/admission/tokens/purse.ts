import type { Logger } from '../../../../lib/log.ts';
import { closeRedis, createRedis, type Redis } from '../../../../lib/redis.ts';
import { PURSE_SCRIPTS, type PurseScripts } from './purse-scripts.ts';

/** What a hold came to; everything but `HELD` left the purse as it was. */
export type HoldAnswer =
  | { readonly kind: 'HELD'; readonly remaining: number }
  /** The generation is not the one we know: Redis lost its data, or another replica began a new one. */
  | { readonly kind: 'LOST' }
  /** No purse here yet, or one from before the epoch of this token: load it from Postgres. */
  | { readonly kind: 'COLD' }
  | { readonly kind: 'LOW'; readonly remaining: number }
  | { readonly kind: 'PER_CALL' | 'BUSY'; readonly most: number }
  | { readonly kind: 'REVOKED' | 'EARLY' | 'EXPIRED' | 'DONE' | 'CONFLICT' | 'BEHIND' };

export interface PurseHold {
  readonly generation: string;
  readonly allotmentId: string;
  readonly epoch: number;
  readonly callId: string;
  readonly units: number;
  /** Milliseconds until the hold returns by itself. */
  readonly expiresInMs: number;
  readonly method: string;
}

export interface PurseFinish {
  readonly generation: string;
  readonly allotmentId: string;
  readonly callId: string;
  readonly state: 'settled' | 'released';
  readonly units: number;
}

/** What Postgres says about a lease, to be put into Redis. */
export interface PurseLoad {
  readonly generation: string;
  readonly allotmentId: string;
  readonly epoch: number;
  readonly lease: number;
  /** Granted to this lease in all. */
  readonly granted: number;
  readonly maxInFlight: number;
  readonly maxPerCall: number;
  /** Milliseconds since the epoch. */
  readonly validAfter: number;
  readonly validBefore: number;
  readonly price: number;
}

/** A lease as Redis sees it: granted = remaining + held + settled + unspent. */
export interface LeaseSight {
  readonly currentLease: number;
  readonly granted: number;
  readonly held: number;
  readonly settled: number;
  readonly unspent: number;
  readonly remaining: number;
  readonly inFlight: number;
  readonly fenced: number;
  /** The newest entry of the log at that moment. */
  readonly logEnd: string;
}

/** How one call ended, as the log tells it. */
export interface LogEntry {
  readonly id: string;
  readonly allotmentId: string;
  readonly lease: number;
  readonly callId: string;
  readonly state: 'settled' | 'released' | 'expired';
  readonly held: number;
  readonly amount: number;
  readonly units: number;
  readonly method: string;
  /** Milliseconds since the epoch, by Redis's clock. */
  readonly at: number;
}

/** The budget of every allotment as far as Redis holds it. Each operation is one atomic script and one round trip. */
export interface Purse {
  hold(request: PurseHold): Promise<HoldAnswer>;
  /** False when the hold is over already: expired, ended before, or lost with Redis. */
  finish(request: PurseFinish): Promise<boolean>;
  load(request: PurseLoad): Promise<'LOADED' | 'LOST' | 'STALE'>;
  fence(generation: string, allotmentId: string, lease: number): Promise<'FENCED' | 'LOST'>;
  look(generation: string, allotmentId: string, lease: number): Promise<LeaseSight | 'COLD' | 'LOST'>;
  forget(generation: string, allotmentId: string, lease: number): Promise<void>;
  revoke(generation: string, allotmentId: string, epoch: number): Promise<void>;
  generation(): Promise<string | null>;
  setGeneration(token: string): Promise<void>;
  /** Oldest entries first, at most `count`, none newer than `end`. */
  readLog(count: number, end?: string): Promise<LogEntry[]>;
  dropLog(ids: readonly string[]): Promise<void>;
  logLength(): Promise<number>;
  /** True when this was the first time within `ttlMs`; for proofs that may be used once. */
  once(name: string, ttlMs: number): Promise<boolean>;
  ping(): Promise<void>;
  /** Told whenever a connection was made anew: what we knew about Redis may be of a former life. */
  onReconnect(fn: () => void): void;
  /** Told when any replica revoked an allotment; a hint for what takes no hold (answers from the cache). */
  onRevoked(fn: (allotmentId: string, epoch: number) => void): void;
  close(): Promise<void>;
}

/** Entries that wait to be posted at most; above it holds are refused, because nobody keeps the books. */
export const MAX_LOG_ENTRIES = 200_000;
/** A command may take this long before the call is refused: the budget is no reason to hang. */
const COMMAND_TIMEOUT_MS = 1_000;

type Script = (...args: (string | number)[]) => Promise<(string | number)[]>;

/** @param prefix of every key; one hash slot, so that a script may touch all of them in a cluster. */
export function createPurse(options: {
  url: string;
  prefix: string;
  log: Logger;
  scripts?: PurseScripts;
  maxLogEntries?: number;
}): Purse {
  const { scripts = PURSE_SCRIPTS, maxLogEntries = MAX_LOG_ENTRIES } = options;
  const redis: Redis = createRedis({
    url: options.url,
    log: options.log,
    role: 'call-tokens',
    commandTimeoutMs: COMMAND_TIMEOUT_MS,
  });
  const base = `${options.prefix}:{call-tokens}:`;
  const generationKey = `${base}generation`;
  const logKey = `${base}log`;
  const run = {} as Record<keyof PurseScripts, Script>;
  for (const name of Object.keys(scripts) as (keyof PurseScripts)[]) {
    redis.defineCommand(`ct_${name}`, { numberOfKeys: 6, lua: scripts[name] });
    run[name] = (redis as unknown as Record<string, Script>)[`ct_${name}`]?.bind(redis) as Script;
  }
  const keys = (id: string): string[] => [
    generationKey,
    `${base}p:${id}`,
    `${base}h:${id}`,
    `${base}d:${id}`,
    `${base}t:${id}`,
    logKey,
  ];
  const channel = `${base}revoked`;
  let subscriber: Redis | undefined;
  let connected = false;
  const reconnected: (() => void)[] = [];
  redis.on('ready', () => {
    if (connected) for (const fn of reconnected) fn();
    connected = true;
  });

  return {
    async hold(r) {
      const [kind, value] = await run.hold(
        ...keys(r.allotmentId),
        r.generation,
        r.allotmentId,
        r.epoch,
        r.callId,
        r.units,
        Math.ceil(r.expiresInMs),
        r.method,
        maxLogEntries,
      );
      switch (kind) {
        case 'HELD':
        case 'LOW':
          return { kind, remaining: Number(value) };
        case 'PER_CALL':
        case 'BUSY':
          return { kind, most: Number(value) };
        default:
          return { kind } as HoldAnswer;
      }
    },
    async finish(r) {
      const [kind] = await run.finish(
        ...keys(r.allotmentId),
        r.generation,
        r.allotmentId,
        r.callId,
        r.state,
        r.units,
      );
      return kind === 'ENDED';
    },
    async load(r) {
      const [kind] = await run.load(
        ...keys(r.allotmentId),
        r.generation,
        r.epoch,
        r.lease,
        r.granted,
        r.maxInFlight,
        r.maxPerCall,
        r.validAfter,
        r.validBefore,
        r.price,
      );
      return kind as 'LOADED' | 'LOST' | 'STALE';
    },
    async fence(generation, id, lease) {
      const [kind] = await run.fence(...keys(id), generation, lease);
      return kind as 'FENCED' | 'LOST';
    },
    async look(generation, id, lease) {
      const [kind, ...rest] = await run.look(...keys(id), generation, id, lease);
      if (kind !== 'SEEN') return kind as 'COLD' | 'LOST';
      const n = (i: number): number => Number(rest[i]);
      return {
        currentLease: n(0),
        granted: n(1),
        held: n(2),
        settled: n(3),
        unspent: n(4),
        remaining: n(5),
        inFlight: n(6),
        logEnd: String(rest[7]),
        fenced: n(8),
      };
    },
    async forget(generation, id, lease) {
      await run.forget(...keys(id), generation, lease);
    },
    async revoke(generation, id, epoch) {
      await run.revoke(...keys(id), generation, epoch, id, channel);
    },
    generation: () => redis.get(generationKey),
    async setGeneration(token) {
      await redis.set(generationKey, token);
    },
    async readLog(count, end = '+') {
      const entries = await redis.xrange(logKey, '-', end, 'COUNT', count);
      return entries.map(([id, fields]) => entryOf(id, fields));
    },
    async dropLog(ids) {
      if (ids.length > 0) await redis.xdel(logKey, ...ids);
    },
    logLength: () => redis.xlen(logKey),
    async once(name, ttlMs) {
      return (await redis.set(`${base}once:${name}`, '1', 'PX', Math.ceil(ttlMs), 'NX')) === 'OK';
    },
    async ping() {
      await redis.ping();
    },
    onReconnect: (fn) => void reconnected.push(fn),
    onRevoked(fn) {
      subscriber ??= createRedis({
        url: options.url,
        log: options.log,
        role: 'call-token-revocations',
        whenDown: 'wait',
      });
      void subscriber.subscribe(channel).catch((error) => options.log.warn({ err: error }, 'not subscribed'));
      subscriber.on('message', (_channel, text: string) => {
        const [id = '', epoch = '0'] = text.split(' ');
        fn(id, Number(epoch));
      });
    },
    async close() {
      if (subscriber !== undefined) await closeRedis(subscriber);
      await closeRedis(redis);
    },
  };
}

function entryOf(id: string, fields: string[]): LogEntry {
  const members = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) members.set(fields[i] as string, fields[i + 1] as string);
  const at = (name: string): string => members.get(name) ?? '';
  return {
    id,
    allotmentId: at('a'),
    lease: Number(at('l')),
    callId: at('c'),
    state: at('s') as LogEntry['state'],
    held: Number(at('h')),
    amount: Number(at('x')),
    units: Number(at('u')),
    method: at('m'),
    at: Number(at('t')),
  };
}
