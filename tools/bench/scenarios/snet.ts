import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServiceAuth, serviceAuthKeys } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import { startStack } from '../../stack/start-stack.ts';
import type { Figure } from '../figure.ts';
import type { BenchScenario } from '../scenario.ts';

/** How long the service behind the daemon works on a call: an inference, not a lookup. */
const WORK_MS = 100;
/** Calls a second of each client; equal load per client, whatever their number. */
const RATE = 1;
const CLIENTS = [1, 8, 64, 256];
const TIMEOUT_MS = 5_000;
/** The channel is opened by four transactions and their confirmations. */
const OPEN_TIMEOUT_MS = 120_000;

interface Run {
  readonly perSecond: number;
  readonly p95: number;
  readonly refused: number;
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** Open loop: each client sends on its beat, whatever happened to its earlier calls. */
async function load(call: () => Promise<boolean>, clients: number, seconds: number): Promise<Run> {
  const times: number[] = [];
  let refused = 0;
  const running: Promise<void>[] = [];
  const from = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      for (let beat = 0; beat < seconds * RATE; beat++) {
        const due = from + ((beat + client / clients) * 1_000) / RATE;
        await systemClock.sleep(Math.max(0, due - performance.now()));
        running.push(
          call().then((answered) => {
            if (answered) times.push(performance.now() - due);
            else refused += 1;
          }),
        );
      }
    }),
  );
  await Promise.all(running);
  const elapsed = (performance.now() - from) / 1_000;
  times.sort((a, b) => a - b);
  return { perSecond: times.length / elapsed, p95: percentile(times, 0.95), refused };
}

/** What does a token instead of a channel buy, with a real daemon's rules and the real contract? */
export const snet: BenchScenario = {
  name: 'snet',
  title: `calls to a SingularityNET service of ${WORK_MS} ms, ${RATE} a second from each client: one token against one payment each`,
  async run(_stage, { quick }) {
    const stateDir = await mkdtemp(join(tmpdir(), 'rejuve-bench-snet-'));
    const stack = await startStack({
      stateDir,
      ports: 'free',
      quiet: true,
      env: { ...process.env, LOG_LEVEL: 'warn' },
    });
    try {
      const { urls, credentials } = stack.state();
      const keys = serviceAuthKeys.parse(credentials.serviceAuthKeys);
      const auth = createServiceAuth({ self: 'api', keys, clock: systemClock });
      let token = '';
      const renew = async (): Promise<void> => {
        token = await auth.sign('gateway');
      };
      await renew();
      const renewing = setInterval(() => void renew(), 20_000);
      const call = (service: string) => async (): Promise<boolean> => {
        const response = await fetch(`${urls.gateway}/v1/snet/rejuve/${service}/Echo.Say`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${token}`,
            'content-type': 'application/json',
            'x-timeout-ms': `${TIMEOUT_MS}`,
          },
          body: '{"text":"bench"}',
        });
        await response.arrayBuffer();
        return response.status === 200;
      };
      const prepaid = call('example');
      for (const until = performance.now() + OPEN_TIMEOUT_MS; !(await prepaid()); ) {
        if (performance.now() > until) throw new Error('the payment channel was not opened in time');
        await systemClock.sleep(500);
      }
      await fetch(`${urls.snetControl}/control/faults`, {
        method: 'PUT',
        body: JSON.stringify({ workMs: WORK_MS, workers: 256 }),
      });
      const figures: Figure[] = [];
      const seconds = quick ? 4 : 20;
      let alone: Run | undefined;
      for (const clients of CLIENTS) {
        const one = await load(call('example-by-call'), clients, seconds);
        const token = await load(prepaid, clients, seconds);
        alone ??= token;
        const label = `${clients} ${clients === 1 ? 'client' : 'clients'}`;
        figures.push(
          {
            name: `${label}: token`,
            unit: 'calls/s',
            value: token.perSecond,
            direct: one.perSecond,
            note: 'direct: one payment each',
          },
          { name: `${label}: p95, token`, unit: 'ms', value: token.p95, direct: one.p95 },
          {
            name: `${label}: refused, token`,
            unit: 'count',
            value: token.refused,
            direct: one.refused,
            aim: { max: 0 },
          },
        );
        if (clients === 64)
          figures.push({
            name: 'p95 of 64 to p95 of 1',
            unit: 'ratio',
            value: token.p95 / Math.max(1, alone.p95),
            aim: { max: 1.5 },
          });
      }
      clearInterval(renewing);
      return figures;
    } finally {
      await stack.stop();
      await rm(stateDir, { recursive: true, force: true });
    }
  },
};
