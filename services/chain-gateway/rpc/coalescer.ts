import type { Clock, Timer } from '../../../lib/time.ts';
import type { RpcCall } from './call-path.ts';
import type { EngineAnswer, Work } from './engine.ts';
import { gatewayError, RPC_ERROR } from './errors.ts';

/** The work that all calls of one key wait for. */
export interface Flight {
  readonly work: Work;
  readonly answer: Promise<EngineAnswer>;
  cancel(): void;
}

export interface Coalescer {
  /** Waits for the call already under way with this key, or starts it. */
  join(key: string, call: RpcCall, start: () => Flight): Promise<EngineAnswer>;
  /** True when `join` would wait for work under way. */
  has(key: string, call: RpcCall): boolean;
  /** Upstream calls under way. */
  size(): number;
}

/** Callers whose deadlines are this close wait behind one gate, so that a crowd needs one timer and not thousands. */
const GATE_MS = 50;

/** Callers with (nearly) the same deadline. */
interface Gate {
  readonly deadlineAt: number;
  readonly answer: Promise<EngineAnswer>;
  open(answer: EngineAnswer): void;
  timer: Timer | undefined;
}

interface Shared extends Flight {
  /** Monotonic milliseconds beyond which the work is not kept alive for those who come later: its hold ends. */
  readonly latestDeadlineAt: number;
  readonly gates: Gate[];
}

/**
 * Calls that mean the same at the same time share one upstream call. It runs until the latest deadline among those
 * who wait; each of them still gives up at its own (to within {@link GATE_MS}).
 * @param maxExtensionMs how much later than the first caller a later one may want the answer; beyond that it begins anew
 */
export function createCoalescer(clock: Clock, maxExtensionMs = Number.POSITIVE_INFINITY): Coalescer {
  const flights = new Map<string, Shared>();

  const addGate = (flight: Shared, deadlineAt: number): Gate => {
    let open!: (answer: EngineAnswer) => void;
    const answer = new Promise<EngineAnswer>((resolve) => {
      open = resolve;
    });
    const gate: Gate = { deadlineAt, answer, open, timer: undefined };
    flight.gates.push(gate);
    return gate;
  };
  /** A gate in front of the last one needs a timer of its own; the last one ends with the work's own deadline. */
  const arm = (gate: Gate, method: string): void => {
    gate.timer ??= clock.setTimeout(() => {
      gate.open({
        outcome: gatewayError(RPC_ERROR.timeout, `${method}: no answer before the deadline`),
        errorKind: 'timeout',
        provider: undefined,
        attempts: 0,
        units: 0,
      });
    }, gate.deadlineAt - clock.monotonic());
  };

  const flightFor = (key: string, call: RpcCall): Shared | undefined => {
    const flight = flights.get(key);
    return flight !== undefined && call.deadlineAt <= flight.latestDeadlineAt ? flight : undefined;
  };

  return {
    size: () => flights.size,
    has: (key, call) => flightFor(key, call) !== undefined,
    join(key, call, start) {
      const flight = flightFor(key, call);
      if (flight === undefined) {
        const started = start();
        const shared: Shared = {
          ...started,
          gates: [],
          latestDeadlineAt: call.deadlineAt + maxExtensionMs,
        };
        flights.set(key, shared);
        void started.answer.then((answer) => {
          if (flights.get(key) === shared) flights.delete(key);
          for (const gate of shared.gates) {
            gate.timer?.cancel();
            gate.open(answer);
          }
        });
        return addGate(shared, call.deadlineAt).answer;
      }
      call.cache = 'coalesced';
      for (const gate of flight.gates) {
        if (Math.abs(gate.deadlineAt - call.deadlineAt) <= GATE_MS) return gate.answer;
      }
      const gate = addGate(flight, call.deadlineAt);
      if (call.deadlineAt > flight.work.deadlineAt) {
        for (const earlier of flight.gates) if (earlier !== gate) arm(earlier, call.method);
        flight.work.deadlineAt = call.deadlineAt;
      } else arm(gate, call.method);
      return gate.answer;
    },
  };
}
