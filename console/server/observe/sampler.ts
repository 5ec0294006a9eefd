import { Agent, request } from 'undici';
import { z } from 'zod';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import { parseExposition, type Sample, type Samples } from './exposition.ts';
import { isWanted } from './wanted-metrics.ts';

export interface Target {
  readonly name: string;
  readonly url: string;
}

export interface ReadinessPart {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string | undefined;
}

/** One look at one process. */
export interface Reading {
  readonly target: Target;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly ready: boolean;
  /** Why it is not reachable; the rest is empty then. */
  readonly error: string | undefined;
  readonly parts: readonly ReadinessPart[];
  readonly samples: Samples;
}

/** One look at all processes at about the same time. */
export interface Round {
  readonly at: number;
  readonly readings: readonly Reading[];
}

/** What all processes told, as if it were one. */
export function allSamples(round: Round | undefined): Samples {
  const all = new Map<string, Sample[]>();
  for (const { samples } of round?.readings ?? []) {
    for (const [name, list] of samples) {
      const known = all.get(name);
      if (known === undefined) all.set(name, [...list]);
      else known.push(...list);
    }
  }
  return all;
}

export interface Sampler {
  run(signal: AbortSignal): Promise<void>;
}

const TIMEOUT_MS = 2_000;
const MAX_BYTES = 8 * 1024 * 1024;

async function text(url: string, agent: Agent): Promise<{ status: number; body: string }> {
  const answer = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(TIMEOUT_MS) });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return { status: answer.statusCode, body: Buffer.concat(chunks).toString('utf8') };
}

const readinessSchema = z.object({
  checks: z.record(z.string(), z.object({ ok: z.boolean(), reason: z.string().optional() })),
});

function partsOf(body: string): ReadinessPart[] {
  try {
    const { checks } = readinessSchema.parse(JSON.parse(body));
    return Object.entries(checks).map(([name, { ok, reason }]) => ({ name, ok, detail: reason }));
  } catch {
    // Something else listens there, or an old version of ours: its status code still counts.
    return [];
  }
}

const reasonOf = (error: unknown): string => {
  const { code, name, message } = error as { code?: string; name?: string; message?: string };
  if (name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1_000} s`;
  return code === 'ECONNREFUSED' ? 'nothing listens there' : (code ?? message ?? String(error));
};

/** Reads health and metrics of every process again and again, and tells each round. */
export function createSampler(deps: {
  targets: readonly Target[];
  intervalMs: number;
  onRound: (round: Round) => void;
  clock: Clock;
  log: Logger;
}): Sampler {
  const { targets, intervalMs, onRound, clock, log } = deps;

  async function read(target: Target, agent: Agent): Promise<Reading> {
    const at = clock.now();
    try {
      const [ready, metrics] = await Promise.all([
        text(`${target.url}/readyz`, agent),
        text(`${target.url}/metrics`, agent),
      ]);
      return {
        target,
        at,
        ready: ready.status === 200,
        error: undefined,
        parts: partsOf(ready.body),
        samples: metrics.status === 200 ? parseExposition(metrics.body, isWanted) : new Map(),
      };
    } catch (error) {
      return { target, at, ready: false, error: reasonOf(error), parts: [], samples: new Map() };
    }
  }

  return {
    async run(signal) {
      const agent = new Agent({ connections: 2, connect: { timeout: TIMEOUT_MS } });
      try {
        while (!signal.aborted) {
          const at = clock.now();
          const readings = await Promise.all(targets.map((target) => read(target, agent)));
          try {
            onRound({ at, readings });
          } catch (error) {
            log.warn({ err: error }, 'a reading could not be shown');
          }
          await clock.sleep(intervalMs, signal).catch(() => undefined);
        }
      } finally {
        await agent.destroy().catch(() => undefined);
      }
    },
  };
}
