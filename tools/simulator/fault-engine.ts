import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import {
  EXCHANGE_FAULTS,
  type Fault,
  type FaultInput,
  type FaultOf,
  type FaultType,
  faultListSchema,
} from './faults.ts';

export type Transport = 'http' | 'ws';

interface ActiveFault {
  readonly id: string;
  readonly fault: Fault;
  readonly setAt: number;
  struck: number;
  /** Only `rate-limit`: calls left in the bucket, and when it was last filled. */
  tokens: number;
  filledAt: number;
  /** Only `capacity`: when each slot is free. */
  freeAt: number[];
  /** Only `frozen-head` and `fork`: the head at the first strike, so that it stays where it was. */
  anchor: number | undefined;
}

export interface FaultStrike<T extends FaultType = FaultType> {
  readonly id: string;
  readonly fault: FaultOf<T>;
  /** Returns the value remembered at the first strike of this fault, computing it then. */
  anchor(compute: () => number): number;
}

export interface FaultEngine {
  /** Replaces all faults. Throws a ZodError when one is malformed; nothing has changed then. */
  set(faults: readonly FaultInput[]): void;
  /** Adds faults, replacing those with the same id. */
  add(faults: readonly FaultInput[]): void;
  remove(ids: readonly string[]): void;
  clear(): void;
  list(): { id: string; struck: number; active: boolean; fault: Fault }[];
  /** False while nothing is set: the hot path asks this first. */
  any(): boolean;
  anyCallFaults(): boolean;
  /** Exchange faults that strike this exchange, in the order they were set. */
  strikeExchange(methods: readonly string[], transport: Transport): FaultStrike[];
  strikeCall(method: string, transport: Transport): FaultStrike[];
  /** Standing views (lag, fork …) without dice: what a subscription on this provider sees. */
  standing<T extends FaultType>(type: T, method: string, transport: Transport): FaultStrike<T> | undefined;
  /** Milliseconds until the bucket holds `calls` again. 0: taken. */
  takeRate(id: string, calls: number): number;
  /** Milliseconds until this many calls are done, waiting for free slots included. */
  takeSlots(id: string, calls: number): number;
}

function matchesMethod(patterns: readonly string[] | undefined, method: string): boolean {
  if (patterns === undefined) return true;
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? method.startsWith(pattern.slice(0, -1)) : pattern === method,
  );
}

function isOpen(active: ActiveFault, now: number): boolean {
  const { times, window } = active.fault;
  if (times !== undefined && active.struck >= times) return false;
  if (window === undefined) return true;
  let since = now - active.setAt - window.afterMs;
  if (since < 0) return false;
  if (window.repeatMs !== undefined && window.repeatMs > 0) since %= window.repeatMs;
  return window.forMs === undefined || since < window.forMs;
}

/** Decides which faults strike. All chance comes from `random`, all time from `clock`: a seed replays a run. */
export function createFaultEngine(deps: { clock: Clock; random: Random }): FaultEngine {
  const { clock, random } = deps;
  let all: ActiveFault[] = [];
  let exchange: ActiveFault[] = [];
  let calls: ActiveFault[] = [];
  let counter = 0;

  function activate(inputs: readonly FaultInput[]): ActiveFault[] {
    return faultListSchema.parse(inputs).map((fault) => {
      counter += 1;
      return {
        id: fault.id ?? `${fault.type}-${counter}`,
        fault,
        setAt: clock.monotonic(),
        struck: 0,
        tokens: fault.type === 'rate-limit' ? (fault.burst ?? fault.callsPerSecond) : 0,
        filledAt: clock.monotonic(),
        freeAt: fault.type === 'capacity' ? new Array<number>(fault.slots).fill(0) : [],
        anchor: undefined,
      };
    });
  }

  function replace(next: ActiveFault[]): void {
    all = next;
    exchange = all.filter((entry) => EXCHANGE_FAULTS.has(entry.fault.type));
    calls = all.filter((entry) => !EXCHANGE_FAULTS.has(entry.fault.type));
  }

  function toStrike<T extends FaultType>(entry: ActiveFault): FaultStrike<T> {
    return {
      id: entry.id,
      fault: entry.fault as FaultOf<T>,
      anchor(compute) {
        entry.anchor ??= compute();
        return entry.anchor;
      },
    };
  }

  function strike(
    entries: readonly ActiveFault[],
    methods: readonly string[],
    transport: Transport,
  ): FaultStrike[] {
    if (entries.length === 0) return [];
    const now = clock.monotonic();
    const struck: FaultStrike[] = [];
    for (const entry of entries) {
      const { fault } = entry;
      if (fault.transport !== 'both' && fault.transport !== transport) continue;
      if (!isOpen(entry, now)) continue;
      if (fault.methods !== undefined && !methods.some((method) => matchesMethod(fault.methods, method)))
        continue;
      if (fault.probability < 1 && random.float() >= fault.probability) continue;
      entry.struck += 1;
      struck.push(toStrike(entry));
    }
    return struck;
  }

  return {
    set: (inputs) => replace(activate(inputs)),
    add(inputs) {
      const added = activate(inputs);
      const ids = new Set(added.map((entry) => entry.id));
      replace([...all.filter((entry) => !ids.has(entry.id)), ...added]);
    },
    remove: (ids) => replace(all.filter((entry) => !ids.includes(entry.id))),
    clear: () => replace([]),
    list: () =>
      all.map((entry) => ({
        id: entry.id,
        struck: entry.struck,
        active: isOpen(entry, clock.monotonic()),
        fault: entry.fault,
      })),
    any: () => all.length > 0,
    anyCallFaults: () => calls.length > 0,
    strikeExchange: (methods, transport) => strike(exchange, methods, transport),
    strikeCall: (method, transport) => strike(calls, [method], transport),
    standing<T extends FaultType>(type: T, method: string, transport: Transport) {
      const now = clock.monotonic();
      const entry = calls.find(
        ({ fault }) =>
          fault.type === type &&
          (fault.transport === 'both' || fault.transport === transport) &&
          matchesMethod(fault.methods, method),
      );
      return entry !== undefined && isOpen(entry, now) ? toStrike<T>(entry) : undefined;
    },
    takeSlots(id, wanted) {
      const entry = all.find((candidate) => candidate.id === id);
      if (entry?.fault.type !== 'capacity') return 0;
      const { freeAt } = entry;
      const now = clock.monotonic();
      let last = now;
      for (let call = 0; call < wanted; call++) {
        let first = 0;
        for (let slot = 1; slot < freeAt.length; slot++)
          if ((freeAt[slot] as number) < (freeAt[first] as number)) first = slot;
        freeAt[first] = Math.max(now, freeAt[first] as number) + entry.fault.ms;
        last = Math.max(last, freeAt[first] as number);
      }
      return last - now;
    },
    takeRate(id, wanted) {
      const entry = all.find((candidate) => candidate.id === id);
      if (entry?.fault.type !== 'rate-limit') return 0;
      const { callsPerSecond, burst = callsPerSecond } = entry.fault;
      const now = clock.monotonic();
      entry.tokens = Math.min(burst, entry.tokens + ((now - entry.filledAt) / 1_000) * callsPerSecond);
      entry.filledAt = now;
      // A batch larger than the bucket passes on a full bucket and leaves it in debt, or it would never pass.
      if (entry.tokens >= Math.min(wanted, burst)) {
        entry.tokens -= wanted;
        return 0;
      }
      return ((Math.min(wanted, burst) - entry.tokens) / callsPerSecond) * 1_000;
    },
  };
}
