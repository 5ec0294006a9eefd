import { describe, expect, it } from '@jest/globals';
import { decidePayment, spendable } from './decide-payment.ts';

// Every interleaving of two writers that make three paid calls, with one crash or one lost connection at any step. The
// rules are the real ones (decidePayment); database, daemon and lock are small models of what the stores and the
// contract enforce: a fence, one open signature, amounts that only rise.

const PRICE = 10n;
const DEPOSIT = 100n;
const CALLS = 3;

interface State {
  readonly fence: number;
  readonly lock: number | undefined;
  readonly accepted: bigint;
  readonly open: bigint | undefined;
  /** Highest amount that was ever signed. */
  readonly signed: bigint;
  /** Somebody signed who was not the writer any more. */
  readonly usurped: boolean;
  /** The daemon: what it has taken, and the payment whose call it is working on. */
  readonly daemon: {
    readonly taken: bigint;
    readonly working: bigint | undefined;
    readonly answered: number;
  };
  readonly writers: readonly Writer[];
  readonly charged: number;
  readonly faults: number;
}
interface Writer {
  readonly step: 'idle' | 'decide' | 'send' | 'wait' | 'record' | 'learn';
  readonly fence: number;
  /** Its connection to the database is gone, and it does not know. */
  readonly cutOff: boolean;
  readonly amount: bigint;
  readonly left: number;
}

const start: State = {
  fence: 0,
  lock: undefined,
  accepted: 0n,
  open: undefined,
  signed: 0n,
  usurped: false,
  daemon: { taken: 0n, working: undefined, answered: 0 },
  writers: [
    { step: 'idle', fence: 0, cutOff: false, amount: 0n, left: 2 },
    { step: 'idle', fence: 0, cutOff: false, amount: 0n, left: CALLS - 2 },
  ],
  charged: 0,
  faults: 0,
};

const larger = (a: bigint, b: bigint): bigint => (b > a ? b : a);
const text = (state: State): string =>
  JSON.stringify(state, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value));

interface Rules {
  readonly decide: typeof decidePayment;
  readonly fenced: boolean;
}

/** Everything that can happen next. */
function* next(state: State, rules: Rules): Generator<State> {
  if (state.daemon.working !== undefined) {
    const { working, answered } = state.daemon;
    yield { ...state, daemon: { taken: working, working: undefined, answered: answered + 1 } };
  }
  for (const [i, writer] of state.writers.entries()) {
    const become = (change: Partial<Writer>, rest: Partial<State> = {}): State => ({
      ...state,
      ...rest,
      writers: state.writers.map((w, j) => (i === j ? { ...w, ...change } : w)),
    });
    const newest = !rules.fenced || writer.fence === state.fence;
    const release = state.lock === i ? { lock: undefined } : {};
    if (writer.step !== 'idle' && state.faults === 0) {
      // kill -9: the lock is free at once, whatever was in its memory is gone, another process goes on with its calls.
      yield become({ step: 'idle', cutOff: false }, { ...release, faults: 1 });
      // Cut off from the database: the lock is free, and the writer goes on believing that it has it.
      yield become({ cutOff: true }, { ...release, faults: 1 });
    }
    switch (writer.step) {
      case 'idle':
        if (writer.left > 0 && state.lock === undefined)
          yield become(
            { step: 'decide', fence: state.fence + 1, cutOff: false },
            { lock: i, fence: state.fence + 1 },
          );
        break;
      case 'decide': {
        const channel = {
          channelId: 1n,
          nonce: 0n,
          chainNonce: 0n,
          chainValue: DEPOSIT,
          accepted: state.accepted,
          expiration: 1_000_000n,
        };
        const open =
          state.open === undefined ? undefined : { nonce: 0n, amount: state.open, purpose: 'call' as const };
        const situation = { channel, open, claimedAtWorst: 0n, head: 0n, expirationThreshold: 0n };
        const decision = rules.decide(situation, PRICE);
        if (decision.kind === 'resolve') yield become({ step: 'learn' });
        else if (decision.kind === 'sign') {
          // Written down under the newest fence, or not signed at all.
          if (!newest) yield become({ step: 'idle', cutOff: false });
          else
            yield become(
              { step: 'send', amount: decision.amount },
              {
                open: decision.amount,
                usurped: state.usurped || writer.fence !== state.fence,
                signed: larger(decision.amount, state.signed),
              },
            );
        }
        break;
      }
      case 'learn':
        if (!newest) yield become({ step: 'idle', cutOff: false });
        else yield become({ step: 'decide' }, { accepted: state.daemon.taken, open: undefined });
        break;
      case 'send': {
        const { working, taken } = state.daemon;
        // Busy or not exactly one price more: refused, nothing happened; ask and sign anew.
        if (working !== undefined || writer.amount !== taken + PRICE) yield become({ step: 'learn' });
        else yield become({ step: 'wait' }, { daemon: { ...state.daemon, working: writer.amount } });
        break;
      }
      case 'wait':
        if (state.daemon.working === undefined && state.daemon.taken >= writer.amount)
          yield become({ step: 'record', left: writer.left - 1 }, { charged: state.charged + 1 });
        break;
      case 'record':
        if (newest)
          yield become(
            { step: 'idle', cutOff: false },
            { ...release, accepted: writer.amount, open: undefined },
          );
        else yield become({ step: 'idle', cutOff: false }, release);
        break;
    }
  }
}

/** Walks every state that can be reached; answers what is wrong with the first bad one. */
function explore(rules: Rules): { states: number; wrong: string | undefined } {
  const seen = new Set<string>();
  const queue = [start];
  while (queue.length > 0) {
    const state = queue.pop() as State;
    const key = text(state);
    if (seen.has(key)) continue;
    seen.add(key);
    const wrong = check(state);
    if (wrong !== undefined) return { states: seen.size, wrong: `${wrong}: ${key}` };
    const following = [...next(state, rules)];
    const atRest = state.writers.every(({ left, step }) => left === 0 && step === 'idle');
    if (following.length === 0 && !atRest) return { states: seen.size, wrong: `stuck: ${key}` };
    queue.push(...following);
  }
  return { states: seen.size, wrong: undefined };
}

function check({ daemon, signed, charged, writers, open, usurped }: State): string | undefined {
  // The daemon was paid once for each call that it answered.
  if (daemon.taken !== PRICE * BigInt(daemon.answered)) return 'paid is not answered';
  if (charged > daemon.answered) return 'charged for a call that was not answered';
  // At most one call was answered to somebody who died or was cut off.
  if (
    writers.every(({ step }) => step === 'idle') &&
    daemon.working === undefined &&
    daemon.answered - charged > 1
  )
    return 'more than one answer was lost by one fault';
  const upTo = (daemon.working ?? daemon.taken) + PRICE;
  if (signed > upTo) return 'two payments were under way at once';
  if (open !== undefined && open > DEPOSIT) return 'more was signed than is there';
  if (usurped) return 'a writer that had lost the channel signed';
  return undefined;
}

describe('two writers, three calls, one crash anywhere', () => {
  it('pays each answered call exactly once, and never signs two payments at once', () => {
    const { states, wrong } = explore({ decide: decidePayment, fenced: true });
    expect(wrong).toBeUndefined();
    expect(states).toBeGreaterThan(200);
  });

  it('would not without asking the daemon about an open payment', () => {
    const decide: typeof decidePayment = (s, increase) => {
      const highest = s.open && s.open.amount > s.channel.accepted ? s.open.amount : s.channel.accepted;
      return decidePayment({ ...s, open: undefined, channel: { ...s.channel, accepted: highest } }, increase);
    };
    expect(explore({ decide, fenced: true }).wrong).toMatch(/two payments/);
  });

  it('would not without the fence', () => {
    expect(explore({ decide: decidePayment, fenced: false }).wrong).toMatch(/had lost the channel/);
  });
});

describe('what may be signed', () => {
  const channel = {
    channelId: 1n,
    nonce: 0n,
    chainNonce: 0n,
    chainValue: 100n,
    accepted: 40n,
    expiration: 1_000n,
  };
  const situation = { channel, open: undefined, claimedAtWorst: 0n, head: 0n, expirationThreshold: 50n };

  it('is what lies in the channel and was not signed yet', () => {
    expect(spendable(situation)).toBe(60n);
    expect(decidePayment(situation, 60n)).toEqual({ kind: 'sign', amount: 100n });
    expect(decidePayment(situation, 61n)).toEqual({ kind: 'insufficient', available: 60n, needed: 61n });
  });

  it('leaves room for a claim that is on its way', () => {
    const claimed = { ...situation, channel: { ...channel, nonce: 1n, accepted: 0n }, claimedAtWorst: 40n };
    expect(spendable(claimed)).toBe(60n);
  });

  it('is nothing near the end of the channel, and before there is one', () => {
    expect(decidePayment({ ...situation, head: 949n }, 1n)).toMatchObject({
      kind: 'near-expiry',
      usableUntil: 950n,
    });
    expect(decidePayment({ ...situation, head: 948n }, 1n)).toMatchObject({ kind: 'sign' });
    expect(decidePayment({ ...situation, channel: { ...channel, channelId: undefined } }, 1n).kind).toBe(
      'no-channel',
    );
  });
});
