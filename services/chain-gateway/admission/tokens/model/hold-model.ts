/**
 * A small model of the hold protocol, explored exhaustively: three calls, two replicas, the ledger worker, and a few
 * mishaps at any step. It says the same as purse-scripts.ts and ledger-store.ts, in a form in which every order of
 * steps can be tried. Each guard can be taken out by name; then some order must break an invariant, or the guard is
 * for nothing.
 */

/** Mishaps that may happen, each at most so many times, between any two steps. */
export interface Mishaps {
  /** A replica or the ledger worker dies. A dead replica's calls never end; another ledger worker takes over. */
  readonly crash?: number;
  /** Redis loses everything. */
  readonly loss?: number;
  /** A command that was sent before reaches Redis again. */
  readonly repeat?: number;
  /** The payer revokes. */
  readonly revoke?: number;
  /** A hold's deadline passes although its call is still running. */
  readonly late?: number;
  /** The reconciler takes a lease back, for whatever reason. */
  readonly fence?: number;
}

export const MODEL_GUARDS = [
  'epoch',
  'idempotent',
  'done',
  'in-flight',
  'remaining',
  'terminal-once',
  'actual-within-held',
  'fenced-stays-shut',
  'lease-order',
  'cumulative-load',
  'post-once',
  'post-before-drop',
  'close-after-holds',
  'close-after-posts',
  'room',
  'chunk',
] as const;
export type ModelGuard = (typeof MODEL_GUARDS)[number];

const CALLS = 3;
const HELD = 2;
const MAX_IN_FLIGHT = 2;
/** `tight`: one hold at a time, in many small leases. `wide`: all calls at once, from one lease. */
export const BUDGETS = { tight: { cap: 4, chunk: 2 }, wide: { cap: 7, chunk: 6 } } as const;
export type Budget = (typeof BUDGETS)[keyof typeof BUDGETS];
/** What each call turns out to cost; the last one more than it holds. */
const COST = [1, 2, 3] as const;
/** Which replica makes each call. */
const REPLICA = [0, 1, 0] as const;

interface Lease {
  amount: number;
  collected: number;
  generation: number;
  state: 0 | 1 | 2; // open, fenced, closed
}
interface Entry {
  call: number;
  lease: number;
  amount: number;
}
interface Call {
  /** new → asked (hold sent) → held → ended (finish sent) → over */
  at: 'new' | 'held' | 'ended' | 'refused' | 'dead';
  generation: number;
}
interface State {
  calls: Call[];
  dead: number[];
  /** Commands that were sent, for the network to repeat: hold by call, load by lease and total. */
  loads: [lease: number, total: number, generation: number][];
  pg: {
    generation: number;
    settled: number;
    held: number;
    uncollected: number;
    revoked: number;
    leases: Lease[];
    posted: number[];
    /** What the ledger worker has read and not done with: 1 read, 2 posted (or dropped, without the guard). */
    half: { entries: Entry[]; phase: 1 | 2 } | null;
  };
  redis: {
    generation: number;
    purse: number;
    epoch: number;
    lease: number;
    fenced: number;
    remaining: number;
    inFlight: number;
    granted: Record<string, number>;
    h: Record<string, number>;
    s: Record<string, number>;
    u: Record<string, number>;
    holds: Record<string, number>;
    done: number[];
    log: Entry[];
  };
  /** For the invariants only. */
  seen: { charged: number[]; heldAfterRevoke: number; everLost: number };
  left: { -readonly [K in keyof Mishaps]-?: number };
}

export interface Exploration {
  readonly states: number;
  /** The first order of steps that broke an invariant. */
  readonly broken: { readonly invariant: string; readonly steps: readonly string[] } | undefined;
}

/** Tries every order of steps. @param without guards that are taken out. */
export function explore(
  budget: Budget,
  mishaps: Mishaps,
  without: ReadonlySet<ModelGuard> = new Set(),
): Exploration {
  const on = (guard: ModelGuard): boolean => !without.has(guard);
  const start = initial(mishaps);
  const first = JSON.stringify(start);
  const cameFrom = new Map<string, { before: string; step: string } | undefined>([[first, undefined]]);
  let frontier = [first];
  const all = steps(on, budget);
  const trace = (key: string): string[] => {
    const steps: string[] = [];
    for (let k = key; ; ) {
      const from = cameFrom.get(k);
      if (from === undefined) return steps.reverse();
      steps.push(from.step);
      k = from.before;
    }
  };
  while (frontier.length > 0) {
    const next: string[] = [];
    for (const key of frontier) {
      let progress = false;
      let state = JSON.parse(key) as State;
      for (const [step, mishap, change] of all) {
        // A step that does not apply leaves the state alone, so one copy serves until one does.
        if (!change(state)) continue;
        const after = JSON.stringify(state);
        if (!mishap && after !== key) progress = true;
        const known = cameFrom.has(after);
        if (!known) {
          cameFrom.set(after, { before: key, step });
          const invariant = brokenInvariant(state, budget);
          if (invariant !== undefined)
            return { states: cameFrom.size, broken: { invariant, steps: trace(after) } };
          next.push(after);
        }
        state = JSON.parse(key) as State;
      }
      if (!progress) {
        const invariant = brokenAtRest(JSON.parse(key) as State);
        if (invariant !== undefined)
          return { states: cameFrom.size, broken: { invariant, steps: trace(key) } };
      }
    }
    frontier = next;
  }
  return { states: cameFrom.size, broken: undefined };
}

function initial(mishaps: Mishaps): State {
  return {
    calls: Array.from({ length: CALLS }, () => ({ at: 'new', generation: 0 })),
    dead: [],
    loads: [],
    pg: {
      generation: 1,
      settled: 0,
      held: 0,
      uncollected: 0,
      revoked: 0,
      leases: [],
      posted: [],
      half: null,
    },
    redis: emptyRedis(1),
    seen: { charged: [0, 0, 0], heldAfterRevoke: 0, everLost: 0 },
    left: { crash: 0, loss: 0, repeat: 0, revoke: 0, late: 0, fence: 0, ...mishaps },
  };
}

function emptyRedis(generation: number): State['redis'] {
  return {
    generation,
    purse: 0,
    epoch: 0,
    lease: 0,
    fenced: 0,
    remaining: 0,
    inFlight: 0,
    granted: {},
    h: {},
    s: {},
    u: {},
    holds: {},
    done: [],
    log: [],
  };
}

const add = (map: Record<string, number>, key: number, by: number): void => {
  map[key] = (map[key] ?? 0) + by;
};

type Step = readonly [name: string, mishap: boolean, change: (state: State) => boolean];

function steps(on: (guard: ModelGuard) => boolean, { cap, chunk }: Budget): Step[] {
  /** The end of a hold, whatever ends it. */
  function finish(s: State, call: number, charge: number): boolean {
    const r = s.redis;
    const lease = r.holds[call];
    if (lease === undefined) {
      if (on('terminal-once')) return false;
      // Without the guard the script goes on with what it remembers of the call.
      if (!r.done.includes(call)) return false;
      r.remaining += HELD - charge;
      add(r.s, r.lease, charge);
      s.seen.charged[call] = (s.seen.charged[call] ?? 0) + 1;
      return true;
    }
    const amount = on('actual-within-held') ? Math.min(charge, HELD) : charge;
    delete r.holds[call];
    r.done.push(call);
    r.done.sort();
    r.inFlight -= 1;
    add(r.h, lease, -HELD);
    add(r.s, lease, amount);
    const shut = lease !== r.lease || lease <= r.fenced;
    if (shut && on('fenced-stays-shut')) add(r.u, lease, HELD - amount);
    else r.remaining += HELD - amount;
    if (amount > 0) s.seen.charged[call] = (s.seen.charged[call] ?? 0) + 1;
    r.log.push({ call, lease, amount });
    return true;
  }

  /** A hold arrives at Redis. @returns what the replica hears; undefined when it must grant first. */
  function hold(s: State, call: number, generation: number): 'held' | 'refused' | 'again' {
    const r = s.redis;
    if (r.generation !== generation) return 'again';
    if (r.purse !== generation) return 'again';
    if (on('epoch') && r.epoch > 1) return 'refused';
    if (on('idempotent') && r.holds[call] !== undefined) return 'held';
    if (on('done') && r.done.includes(call)) return 'refused';
    if (on('in-flight') && r.inFlight >= MAX_IN_FLIGHT) return 'refused';
    if (on('remaining') && r.remaining < HELD) return 'again';
    if (r.holds[call] !== undefined) add(r.h, r.lease, HELD);
    else add(r.h, r.lease, HELD);
    r.inFlight += 1;
    r.holds[call] = r.lease;
    r.remaining -= HELD;
    if (s.pg.revoked === 2) s.seen.heldAfterRevoke += 1;
    return 'held';
  }

  function load(s: State, lease: number, total: number, generation: number): void {
    const r = s.redis;
    if (r.generation !== generation) return;
    if (r.purse !== generation) {
      s.redis = {
        ...emptyRedis(r.generation),
        log: r.log,
        purse: generation,
        lease,
        epoch: s.pg.revoked > 0 ? 2 : 1,
      };
    }
    const p = s.redis;
    if (on('lease-order') && (lease < p.lease || lease <= p.fenced)) return;
    if (lease !== p.lease) {
      add(p.u, p.lease, p.remaining);
      p.remaining = 0;
      p.lease = lease;
    }
    const more = on('cumulative-load') ? Math.max(0, total - (p.granted[lease] ?? 0)) : chunk;
    add(p.granted, lease, more);
    p.remaining += more;
  }

  /** Postgres leases what may be leased; the load is a step of its own. */
  function grant(s: State): boolean {
    if (s.pg.revoked > 0) return false;
    let at = s.pg.leases.findIndex(({ state }) => state === 0);
    const room = Math.min(cap - s.pg.settled - s.pg.held, on('chunk') ? chunk - s.pg.held : cap);
    if (room <= 0) {
      const open = s.pg.leases[at];
      const arrived = s.redis.purse === s.pg.generation && s.redis.granted[at + 1] === open?.amount;
      if (open === undefined || arrived) return false;
      s.loads = [[at + 1, open.amount, s.pg.generation]];
      return true;
    }
    if (at < 0) {
      s.pg.leases.push({ amount: 0, collected: 0, generation: s.pg.generation, state: 0 });
      at = s.pg.leases.length - 1;
    }
    const lease = s.pg.leases[at] as Lease;
    lease.amount += room;
    s.pg.held += room;
    s.loads = [[at + 1, lease.amount, s.pg.generation]];
    return true;
  }

  function post(s: State, entries: Entry[]): void {
    for (const { call, lease: number, amount } of entries) {
      if (on('post-once') && s.pg.posted.includes(call)) continue;
      s.pg.posted.push(call);
      s.pg.posted.sort();
      const lease = s.pg.leases[number - 1];
      const inLease = lease === undefined || lease.state === 2 ? 0 : lease.amount - lease.collected;
      const fromLease = on('room') ? Math.min(amount, inLease) : Math.min(amount, Math.max(inLease, 0));
      const left = amount - fromLease;
      const fromAvailable = on('room') ? Math.min(left, cap - s.pg.settled - s.pg.held) : left;
      if (lease !== undefined) lease.collected += fromLease;
      s.pg.settled += fromLease + fromAvailable;
      s.pg.held -= fromLease;
      s.pg.uncollected += left - fromAvailable;
    }
  }

  function close(s: State, at: number): void {
    const lease = s.pg.leases[at] as Lease;
    s.pg.held -= lease.amount - lease.collected;
    lease.state = 2;
  }

  const list: Step[] = [];
  for (let call = 0; call < CALLS; call++) {
    const replica = REPLICA[call] as number;
    const alive = (s: State): boolean => !s.dead.includes(replica);
    list.push([
      `call ${call}: hold`,
      false,
      (s) => {
        const c = s.calls[call] as Call;
        if (c.at !== 'new' || !alive(s)) return false;
        const heard = hold(s, call, s.pg.generation);
        if (heard === 'again') {
          // Nothing left to lease, and what was leased has arrived and does not do: the call is refused.
          const open = s.pg.leases.some(({ state }) => state === 0);
          const arrived = s.loads.length === 0 && (!open || s.redis.purse === s.pg.generation);
          const nothing = cap - s.pg.settled - s.pg.held <= 0 && s.redis.generation === s.pg.generation;
          if (s.pg.revoked > 0 || (nothing && arrived)) {
            c.at = 'refused';
            return true;
          }
          return false;
        }
        c.at = heard;
        c.generation = s.pg.generation;
        return true;
      },
    ]);
    list.push([
      `call ${call}: end`,
      false,
      (s) => {
        const c = s.calls[call] as Call;
        if (c.at !== 'held' || !alive(s)) return false;
        c.at = 'ended';
        const sameLife = s.redis.generation === c.generation && s.redis.purse === c.generation;
        if (sameLife) finish(s, call, COST[call] as number);
        return true;
      },
    ]);
    list.push([
      `call ${call}: expires`,
      false,
      (s) => {
        const c = s.calls[call] as Call;
        // Its deadline outlives the call: only the holds of the dead, and those that nobody heard of, are left to it.
        if (c.at === 'held' && alive(s)) return false;
        return finish(s, call, 0);
      },
    ]);
    list.push([
      `call ${call}: expires early`,
      true,
      (s) => {
        if (s.left.late === 0 || s.redis.holds[call] === undefined) return false;
        s.left.late -= 1;
        return finish(s, call, 0);
      },
    ]);
    list.push([
      `call ${call}: hold repeated`,
      true,
      (s) => {
        const c = s.calls[call] as Call;
        if (s.left.repeat === 0 || c.generation === 0) return false;
        s.left.repeat -= 1;
        hold(s, call, c.generation);
        return true;
      },
    ]);
    list.push([
      `call ${call}: end repeated`,
      true,
      (s) => {
        if (s.left.repeat === 0 || (s.calls[call] as Call).at !== 'ended') return false;
        s.left.repeat -= 1;
        const c = s.calls[call] as Call;
        if (s.redis.purse === c.generation) finish(s, call, COST[call] as number);
        return true;
      },
    ]);
  }
  list.push([
    'grant',
    false,
    (s) => {
      const wanted = s.calls.some((c, i) => c.at === 'new' && !s.dead.includes(REPLICA[i] as number));
      const low = s.redis.purse !== s.pg.generation || s.redis.remaining < HELD;
      if (!wanted || !low || s.loads.length > 0 || s.redis.generation !== s.pg.generation) return false;
      return grant(s);
    },
  ]);
  list.push([
    'load',
    false,
    (s) => {
      const [command] = s.loads;
      if (command === undefined) return false;
      s.loads = [];
      load(s, ...command);
      return true;
    },
  ]);
  list.push([
    'load repeated',
    true,
    (s) => {
      const [command] = s.loads;
      if (s.left.repeat === 0 || command === undefined) return false;
      s.left.repeat -= 1;
      load(s, ...command);
      return true;
    },
  ]);
  const drop = (s: State, entries: Entry[]): void => {
    s.redis.log = s.redis.log.filter((e) => !entries.some((h) => h.call === e.call && h.amount === e.amount));
  };
  list.push([
    'ledger: reads',
    false,
    (s) => {
      if (s.pg.half !== null || s.redis.log.length === 0) return false;
      s.pg.half = { entries: s.redis.log, phase: 1 };
      return true;
    },
  ]);
  for (const phase of [1, 2] as const)
    list.push([
      `ledger: ${(phase === 1) === on('post-before-drop') ? 'posts' : 'drops'}`,
      false,
      (s) => {
        if (s.pg.half?.phase !== phase) return false;
        const { entries } = s.pg.half;
        if ((phase === 1) === on('post-before-drop')) post(s, entries);
        else drop(s, entries);
        s.pg.half = phase === 1 ? { entries, phase: 2 } : null;
        return true;
      },
    ]);
  list.push([
    'ledger: notices the loss',
    false,
    (s) => {
      if (s.redis.generation === s.pg.generation) return false;
      s.pg.generation += 1;
      for (const [at, lease] of s.pg.leases.entries()) if (lease.state !== 2) close(s, at);
      s.redis.generation = s.pg.generation;
      return true;
    },
  ]);
  const fence = (s: State, at: number): void => {
    (s.pg.leases[at] as Lease).state = 1;
    const r = s.redis;
    if (r.purse !== s.pg.generation) {
      s.redis = {
        ...emptyRedis(r.generation),
        log: r.log,
        purse: s.pg.generation,
        lease: at + 1,
        fenced: at + 1,
        epoch: 1,
      };
      return;
    }
    if (at + 1 < r.lease || r.fenced >= at + 1) return;
    add(r.u, r.lease, r.remaining);
    r.remaining = 0;
    r.lease = at + 1;
    r.fenced = at + 1;
  };
  list.push([
    'ledger: takes a lease back',
    true,
    (s) => {
      const at = s.pg.leases.findIndex(({ state }) => state === 0);
      if (s.left.fence === 0 || at < 0 || s.redis.generation !== s.pg.generation) return false;
      s.left.fence -= 1;
      fence(s, at);
      return true;
    },
  ]);
  list.push([
    'ledger: closes',
    false,
    (s) => {
      if (s.redis.generation !== s.pg.generation) return false;
      // When every call is over, idle leases are given back too.
      const idle = s.calls.every(
        (c, i) => c.at === 'refused' || c.at === 'ended' || s.dead.includes(REPLICA[i] as number),
      );
      const open = s.pg.leases.findIndex(({ state }) => state === 0);
      if (idle && open >= 0 && Object.keys(s.redis.holds).length === 0 && s.loads.length === 0) {
        fence(s, open);
        return true;
      }
      const at = s.pg.leases.findIndex(({ state }) => state === 1);
      if (at < 0) return false;
      if (on('close-after-holds') && (s.redis.h[at + 1] ?? 0) > 0) return false;
      if (on('close-after-posts') && (s.redis.log.length > 0 || s.pg.half !== null)) return false;
      close(s, at);
      return true;
    },
  ]);
  for (const replica of [0, 1])
    list.push([
      `replica ${replica} dies`,
      true,
      (s) => {
        if (s.left.crash === 0) return false;
        s.left.crash -= 1;
        s.dead.push(replica);
        return true;
      },
    ]);
  list.push([
    'the ledger worker dies',
    true,
    (s) => {
      if (s.left.crash === 0 || s.pg.half === null) return false;
      s.left.crash -= 1;
      s.pg.half = null;
      return true;
    },
  ]);
  list.push([
    'a grant is lost on its way',
    true,
    (s) => {
      if (s.left.crash === 0 || s.loads.length === 0) return false;
      s.left.crash -= 1;
      s.loads = [];
      return true;
    },
  ]);
  list.push([
    'Redis loses everything',
    true,
    (s) => {
      if (s.left.loss === 0) return false;
      s.left.loss -= 1;
      s.redis = emptyRedis(0);
      s.seen.everLost = 1;
      return true;
    },
  ]);
  list.push([
    'revoke: saved',
    true,
    (s) => {
      if (s.left.revoke === 0 || s.redis.generation !== s.pg.generation) return false;
      s.left.revoke -= 1;
      s.pg.revoked = 1;
      return true;
    },
  ]);
  list.push([
    'revoke: told',
    false,
    (s) => {
      if (s.pg.revoked !== 1) return false;
      s.pg.revoked = 2;
      if (s.redis.purse !== 0) s.redis.epoch = 2;
      return true;
    },
  ]);
  return list;
}

/** What must hold after every step. */
function brokenInvariant(s: State, { cap, chunk }: Budget): string | undefined {
  const { pg, redis: r } = s;
  if (pg.settled < 0 || pg.held < 0) return 'a budget went below nothing';
  if (pg.settled + pg.held > cap) return 'more was spent and leased than was authorised';
  if (r.remaining < 0) return 'more was held than there was';
  if (r.inFlight > MAX_IN_FLIGHT) return 'more calls at the same time than allowed';
  if (r.inFlight < 0) return 'fewer calls than none';
  if (s.seen.charged.some((times) => times > 1)) return 'a call was charged twice';
  if (r.log.some(({ amount }) => amount > HELD)) return 'a call was charged more than it held';
  if (s.seen.heldAfterRevoke > 0) return 'a hold was taken after the revocation';
  if (pg.held > chunk) return 'more than a chunk was at risk';
  if (pg.uncollected > 0 && s.seen.everLost === 0) return 'something was spent that no budget covers';
  if (pg.uncollected > chunk) return 'the operator lost more than a chunk';
  for (const lease of Object.keys(r.granted)) {
    const sum =
      (r.h[lease] ?? 0) +
      (r.s[lease] ?? 0) +
      (r.u[lease] ?? 0) +
      (Number(lease) === r.lease ? r.remaining : 0);
    if (sum !== r.granted[lease]) return 'a lease does not add up';
  }
  return undefined;
}

/** What must hold when nothing is left to do. */
function brokenAtRest(s: State): string | undefined {
  const { pg, redis: r } = s;
  if (r.inFlight !== 0 || Object.keys(r.holds).length > 0) return 'a slot leaked';
  if (s.calls.some((c, i) => c.at === 'new' && !s.dead.includes(REPLICA[i] as number))) return 'a call hangs';
  if (pg.held !== 0) return 'a part of the budget is stuck in a lease';
  if (s.seen.everLost === 1) return undefined;
  const charged = s.seen.charged.reduce(
    (sum, times, call) => sum + times * Math.min(HELD, COST[call] as number),
    0,
  );
  return pg.settled === charged ? undefined : 'what was charged is not what was spent';
}
