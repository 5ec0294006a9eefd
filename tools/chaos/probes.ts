import { setTimeout as sleep } from 'node:timers/promises';
import type { PromiseNumber } from '../../lib/slo/objective.ts';
import { PROMISED_LATENCY_SECONDS } from '../../lib/slo/objectives.ts';
import type { LoadPerson } from '../load/people.ts';
import type { LoadTarget } from '../load/run-load-test.ts';

/** One look at one promise: was it kept at that moment? */
export interface Probe {
  readonly promise: PromiseNumber;
  /** Milliseconds of a clock that only goes forwards. */
  readonly at: number;
  readonly good: boolean;
  readonly detail: string;
}

/** Longer than any answer that could still be right; what takes longer is an outage and not a slow answer. */
const GIVE_UP_MS = 5_000;
const SLOW_MS = PROMISED_LATENCY_SECONDS * 1000;
/** Pace of each kind of look. Together about the promised peak of 17 requests a second. */
const PACE_MS = { rest: 80, rpc: 1_000, metrics: 1_000, documents: 5_000 } as const;
/** JSON-RPC calls at once in each look at promise 1. */
const AT_ONCE = 32;

interface Answer {
  readonly status: number;
  readonly ms: number;
}

async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const from = performance.now();
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(GIVE_UP_MS) });
    await response.arrayBuffer();
    return { status: response.status, ms: performance.now() - from };
  } catch {
    return { status: 0, ms: performance.now() - from };
  }
}

/** Looks at promises 1, 3, 5, 6 and 7 as people and monitoring do, all the time, until it is stopped. */
export function startProbes(target: LoadTarget, people: readonly LoadPerson[]) {
  const stopping = new AbortController();
  const probes: Probe[] = [];
  const note = (promise: PromiseNumber, good: boolean, detail: string): void => {
    probes.push({ promise, at: performance.now(), good, detail });
  };
  let turn = 0;

  const rest = async (): Promise<void> => {
    const person = people[turn++ % people.length] as LoadPerson;
    const [service, path] = (
      [
        ['api', `/v1/wallets/${person.address}/balances`],
        ['user', '/v1/notifications'],
        ['api', `/v1/wallets/${person.address}/transfers`],
        ['user', '/v1/me'],
        ['api', '/v1/wallets'],
      ] as const
    )[turn % 5] ?? ['api', '/v1/wallets'];
    const { status, ms } = await ask(`${target[service]}${path}`, {
      headers: { authorization: `Bearer ${person.accessToken}` },
    });
    // 401 would mean that nobody looks any more: a mistake of this program, which must not pass for an answer.
    note(5, status !== 0 && status < 500 && status !== 401, `${service} ${status || 'no answer'}`);
    // An error at once is no answer in time.
    note(3, status !== 0 && status < 500 && ms < SLOW_MS, `${service} ${ms.toFixed(0)} ms`);
  };
  const rpc = async (): Promise<void> => {
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, id) =>
        ask(`${target.gateway}/rpc/${target.chainId}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            jsonrpc: '2.0',
            id,
            method: 'eth_getBalance',
            params: [people[id % people.length]?.address, 'latest'],
          }),
        }),
      ),
    );
    const slowest = Math.max(...answers.map(({ ms }) => ms));
    const failed = answers.filter(({ status }) => status !== 200).length;
    note(
      1,
      failed === 0 && slowest < SLOW_MS,
      `${AT_ONCE} at once: slowest ${slowest.toFixed(0)} ms, ${failed} failed`,
    );
  };
  const metrics = async (): Promise<void> => {
    const answers = await Promise.all(Object.values(target.processes).map((url) => ask(`${url}/metrics`)));
    const blind = answers.filter(({ status, ms }) => status !== 200 || ms > 2_000).length;
    note(6, blind === 0, `${blind} processes not visible`);
  };
  const documents = async (): Promise<void> => {
    const answers = await Promise.all(
      [target.api, target.user, target.gateway].map((url) => ask(`${url}/openapi.json`)),
    );
    note(
      7,
      answers.every(({ status }) => status === 200),
      'documents',
    );
  };

  const loop = async (look: () => Promise<void>, everyMs: number, abreast = 1): Promise<void> => {
    const under = new Set<Promise<void>>();
    while (!stopping.signal.aborted) {
      if (under.size < abreast) {
        const one: Promise<void> = look().finally(() => under.delete(one));
        under.add(one);
      }
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
    await Promise.all(under);
  };
  // Requests do not wait for each other, as people do not; the bound is for an outage.
  const loops = [
    loop(rest, PACE_MS.rest, 60),
    loop(rpc, PACE_MS.rpc, 6),
    loop(metrics, PACE_MS.metrics, 2),
    loop(documents, PACE_MS.documents),
  ];
  return {
    /** Every look so far, in order of its end. */
    probes: probes as readonly Probe[],
    async stop(): Promise<void> {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}
