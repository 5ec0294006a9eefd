import type { Clock, Timer } from '../../../lib/time.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import { createFairQueue, type FairItem, type FairQueue } from './fair-queue.ts';
import { PRIORITIES, PRIORITY_CLASSES } from './priority-classes.ts';

/** A call that waits until some provider has room. */
export interface QueuedCall {
  readonly method: string;
  readonly priority: RpcPriority;
  readonly principal: string;
  readonly weight: number;
  readonly units: number;
  /** Memory that it holds while it waits. */
  readonly bytes: number;
  /** Monotonic milliseconds. */
  readonly deadlineAt: number;
  /** Starts the call if there is room: undefined when it left the queue, else milliseconds until another look is worth it. */
  readonly attempt: () => number | undefined;
  /** It was taken in and has to go after all: for somebody with more right to the place, or because it waited in vain. */
  readonly dismiss: (refusal: QueueRefusal) => void;
}

export interface QueueRefusal {
  /** `deadline`: it cannot make its own deadline · `wait`: it would wait longer than anybody should · `full`: no place · `shed`: a place was needed for a higher class or a quieter client */
  readonly reason: 'deadline' | 'wait' | 'full' | 'shed';
  /** How long it would have waited, milliseconds, as far as can be told. */
  readonly waitMs: number;
  readonly retryAfterSeconds: number;
}

export interface Waiting {
  /** The call no longer wants to wait. */
  leave(): void;
}

export interface CapacityQueue {
  /**
   * Takes the call in, or says why not and how long it would have waited: nothing waits longer than it is worth.
   * @param waitMs until the next provider may have room
   */
  enqueue(call: QueuedCall, waitMs: number): Waiting | QueueRefusal;
  /** A provider has room: those who wait come first. */
  poke(): void;
  length(): number;
  waiting(priority: RpcPriority): number;
  bytes(): number;
}

export interface CapacityQueueDeps {
  readonly clock: Clock;
  /** Calls per second that providers take together. */
  readonly rate: () => number;
  /** How long providers take for a call, milliseconds: a deadline nearer than that is already lost. */
  readonly typicalMs: () => number;
  readonly maxWaitMs: number;
  /**
   * False while only the number of calls under way holds others back: a burst that drains by itself. Then waiting is
   * worth {@link UNHURRIED} times as long. Default true.
   */
  readonly rationed?: () => boolean;
  readonly maxCalls?: number;
  readonly maxBytes?: number;
  /** A call left the queue: started (undefined), or refused. */
  readonly onLeft?: (priority: RpcPriority, waitedMs: number, refusal: QueueRefusal | undefined) => void;
}

/** How much longer than QUEUE_MAX_WAIT_MS a burst may take to drain where no rate limit is in the way. */
const UNHURRIED = 10;
const MAX_CALLS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** Heads of flows that are tried in one class before it counts as blocked: the first may want a provider that others do not need. */
const TRIED_PER_CLASS = 2;
/** Who was taken in by an honest estimate stays this many times as long when things turn out slower than they looked. */
const STAY = 2;
/** What really leaves is counted over this time, while somebody waits all the time. */
const COUNTED_MS = 250;
/** Trust in that count: it may have met a lull ... */
const LULL = 1.25;
/** ... and in what is told: a moment in which nothing left is no stop. */
const LEAST_TRUST = 0.2;
/** Never look more often than this, milliseconds; an answer of a provider looks at once. */
const SHORTEST_LOOK_MS = 1;

interface Entry extends FairItem {
  readonly call: QueuedCall;
  readonly since: number;
  /** Leaves by then, whatever its deadline says. */
  readonly expiresAt: number;
}

interface Lane {
  readonly priority: RpcPriority;
  readonly queue: FairQueue<Entry>;
  /** In order of arrival: patience is the same for all of a class, so the first expires first. */
  readonly arrivals: Entry[];
  /** Virtual time of the class among classes: what it was served ÷ its weight. */
  start: number;
  /** Nothing of this class can start before (monotonic milliseconds), as far as was seen. */
  blockedUntil: number;
}

/**
 * The queue in front of providers that have no room: rate limit or concurrency. Classes share by weight, clients share
 * a class by weight, and the calls of one client go by deadline ({@link createFairQueue}, twice). It smooths bursts;
 * under lasting overload most is refused on arrival, because a call that waits for nothing only makes the next one
 * wait too.
 */
export function createCapacityQueue(deps: CapacityQueueDeps): CapacityQueue {
  const { clock, maxWaitMs, maxCalls = MAX_CALLS, maxBytes = MAX_BYTES } = deps;
  const lanes: readonly Lane[] = PRIORITIES.map((priority) => ({
    priority,
    queue: createFairQueue<Entry>(),
    arrivals: [],
    start: 0,
    blockedUntil: 0,
  }));
  const laneOf = Object.fromEntries(lanes.map((lane) => [lane.priority, lane])) as Record<RpcPriority, Lane>;
  let bytes = 0;
  let count = 0;
  /** Virtual time of the class that was served last. */
  let now = 0;
  let timer: Timer | undefined;
  let timerAt = 0;
  let pumping = false;
  /** Since when somebody waits without a break, counted in whole windows. */
  let countedFrom = 0;
  let leftInWindow = 0;
  let perSecond = Number.POSITIVE_INFINITY;

  /** Calls per second that leave the queue: as told, or less when less was seen while it was never empty. */
  const rate = (): number => {
    const at = clock.monotonic();
    if (at - countedFrom >= COUNTED_MS) {
      perSecond = (leftInWindow * 1_000) / (at - countedFrom);
      leftInWindow = 0;
      countedFrom = at;
    }
    const told = deps.rate();
    return Math.min(told, Math.max(perSecond * LULL, told * LEAST_TRUST));
  };

  const left = (entry: Entry, refusal: QueueRefusal | undefined): void => {
    count--;
    bytes -= entry.call.bytes;
    if (count === 0) for (const { arrivals } of lanes) arrivals.length = 0;
    deps.onLeft?.(entry.call.priority, clock.monotonic() - entry.since, refusal);
  };
  const remove = (entry: Entry, refusal: QueueRefusal | undefined): void => {
    if (entry.gone) return;
    entry.gone = true;
    laneOf[entry.call.priority].queue.left(entry);
    left(entry, refusal);
  };
  const refusalOf = (reason: QueueRefusal['reason'], waitMs: number): QueueRefusal => ({
    reason,
    waitMs: Math.round(waitMs),
    retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
  });
  const dismiss = (entry: Entry, reason: QueueRefusal['reason'], waitMs: number): void => {
    const refusal = refusalOf(reason, waitMs);
    remove(entry, refusal);
    entry.call.dismiss(refusal);
  };

  const arm = (at: number): void => {
    if (timer !== undefined) {
      if (timerAt <= at) return;
      timer.cancel();
    }
    timerAt = at;
    timer = clock.setTimeout(
      () => {
        timer = undefined;
        pump();
      },
      Math.max(SHORTEST_LOOK_MS, at - clock.monotonic()),
    );
  };

  /** Sends away those who waited as long as anybody should. */
  const expire = (at: number): void => {
    for (const { arrivals } of lanes) {
      let first = arrivals[0];
      while (first !== undefined && (first.gone || first.expiresAt <= at)) {
        arrivals.shift();
        if (!first.gone) dismiss(first, 'wait', drainMs(first.call));
        first = arrivals[0];
      }
    }
  };

  /** Starts the first of a class that can. False when none could: the class waits. */
  const serve = (lane: Lane, at: number): boolean => {
    let soonest = Number.POSITIVE_INFINITY;
    for (const entry of lane.queue.candidates(TRIED_PER_CLASS)) {
      const waitMs = entry.call.attempt();
      if (waitMs !== undefined) {
        soonest = Math.min(soonest, waitMs);
        continue;
      }
      if (entry.gone) return true;
      entry.gone = true;
      lane.queue.served(entry);
      now = Math.max(now, lane.start);
      lane.start += entry.cost / PRIORITY_CLASSES[lane.priority].weight;
      leftInWindow++;
      left(entry, undefined);
      return true;
    }
    lane.blockedUntil = at + Math.max(SHORTEST_LOOK_MS, soonest);
    return false;
  };

  const pump = (): void => {
    if (pumping) return;
    pumping = true;
    const at = clock.monotonic();
    expire(at);
    for (;;) {
      let next: Lane | undefined;
      for (const lane of lanes) {
        if (lane.queue.size() === 0 || lane.blockedUntil > at) continue;
        if (next === undefined || lane.start < next.start) next = lane;
      }
      if (next === undefined) break;
      serve(next, at);
    }
    pumping = false;
    if (count === 0) {
      timer?.cancel();
      timer = undefined;
      return;
    }
    let look = Number.POSITIVE_INFINITY;
    for (const lane of lanes) {
      if (lane.queue.size() === 0) continue;
      look = Math.min(look, lane.blockedUntil, lane.arrivals[0]?.expiresAt ?? Number.POSITIVE_INFINITY);
    }
    arm(look);
  };

  /** How long it takes until a new call of this client would be served, milliseconds, if all present clients stay. */
  const drainMs = ({
    priority,
    principal,
    weight,
  }: Pick<QueuedCall, 'priority' | 'principal' | 'weight'>): number => {
    if (count === 0) return 0;
    const leaving = rate();
    if (!Number.isFinite(leaving)) return 0;
    if (leaving <= 0) return Number.POSITIVE_INFINITY;
    const lane = laneOf[priority];
    const own = PRIORITY_CLASSES[priority].weight;
    let weights = own;
    for (const other of lanes) {
      if (other !== lane && other.queue.size() > 0) weights += PRIORITY_CLASSES[other.priority].weight;
    }
    const ahead = lane.queue.ahead(principal, weight) + 1;
    const calls = Math.min(count + 1, (ahead * weights) / own);
    return (calls / leaving) * 1_000;
  };

  /** Makes a place: for a higher class at the cost of the lowest, inside a class at the cost of who has most waiting. */
  const makeRoom = (call: QueuedCall): boolean => {
    while (count >= maxCalls || bytes + call.bytes > maxBytes) {
      const lowest = lanes.findLast((lane) => lane.queue.size() > 0);
      if (lowest === undefined) return false;
      const rank = PRIORITIES.indexOf(lowest.priority) - PRIORITIES.indexOf(call.priority);
      if (rank < 0) return false;
      const victim = lowest.queue.worst();
      if (victim === undefined) return false;
      if (rank === 0 && lowest.queue.waitingOf(victim.flow) <= lowest.queue.waitingOf(call.principal) + 1)
        return false;
      dismiss(victim, 'shed', drainMs(victim.call));
    }
    return true;
  };

  return {
    length: () => count,
    waiting: (priority) => laneOf[priority].queue.size(),
    bytes: () => bytes,
    poke() {
      if (count === 0 || pumping) return;
      for (const lane of lanes) lane.blockedUntil = 0;
      pump();
    },
    enqueue(call, waitMs) {
      const at = clock.monotonic();
      const lane = laneOf[call.priority];
      const hurry = deps.rationed?.() === false ? UNHURRIED : 1;
      const patience = maxWaitMs * Math.max(hurry, PRIORITY_CLASSES[call.priority].patience);
      const untilLate = call.deadlineAt - at - deps.typicalMs();
      const blockedMs = lane.queue.size() === 0 ? waitMs : Math.max(waitMs, lane.blockedUntil - at);
      const expected = blockedMs + drainMs(call);
      const refuse = (reason: QueueRefusal['reason']): QueueRefusal => {
        const refusal = refusalOf(reason, expected);
        deps.onLeft?.(call.priority, 0, refusal);
        return refusal;
      };
      if (expected > untilLate) return refuse('deadline');
      if (expected > patience) return refuse('wait');
      if (!makeRoom(call)) return refuse('full');
      const entry: Entry = {
        call,
        flow: call.principal,
        weight: call.weight,
        cost: Math.max(1, call.units),
        deadlineAt: call.deadlineAt,
        since: at,
        expiresAt: at + patience * STAY,
        gone: false,
      };
      if (lane.queue.size() === 0) {
        // A class that comes back starts at the present: it saved up nothing.
        lane.start = Math.max(now, lane.start);
        lane.blockedUntil = waitMs > 0 ? at + waitMs : 0;
      }
      if (count === 0) {
        countedFrom = at;
        leftInWindow = 0;
        perSecond = Number.POSITIVE_INFINITY;
      }
      lane.queue.push(entry);
      lane.arrivals.push(entry);
      count++;
      bytes += call.bytes;
      if (lane.blockedUntil <= at) pump();
      else arm(Math.min(lane.blockedUntil, entry.expiresAt));
      return { leave: () => remove(entry, undefined) };
    },
  };
}
