import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildPrograms } from '../cluster/build.ts';
import { CheckFailure } from './check.ts';

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p95Ms: number;
  readonly maxMs: number;
  /** `0 of 1234 failed at 20/s (p95 31 ms, slowest 420 ms)` */
  readonly text: string;
}

export interface LoadTarget {
  readonly api: string;
  readonly user: string;
  readonly gateway: string;
  readonly apiKey: string;
  readonly chainId: number;
}

interface K6Summary {
  readonly metrics: Readonly<
    Record<string, { readonly values: Readonly<Record<string, number>> } | undefined>
  >;
}

/** Long enough for the first requests to be on their way before anything is broken. */
const WARM_UP_MS = 3_000;
/** Share of requests that k6 may be too late for; above it the load was not the one that was promised. */
const MOST_DROPPED = 0.02;
/** What breaks late, when old connections are used again, must be seen as well. */
const COOL_DOWN_MS = 4_000;

/**
 * Sends requests at a steady rate while `act` runs, and a little before and after. Throws a {@link CheckFailure}
 * with the first failures unless all were answered rightly; what `act` throws goes first.
 */
export async function loadWhile(options: {
  target: LoadTarget;
  perSecond: number;
  folder: string;
  act: () => Promise<unknown>;
}): Promise<LoadResult> {
  const { target, perSecond, folder, act } = options;
  const { k6 } = await buildPrograms(['k6']);
  const summaryFile = join(folder, 'load.json');
  rmSync(summaryFile, { force: true });
  const child = spawn(
    k6,
    [
      'run',
      '--no-usage-report',
      '--quiet',
      '--no-color',
      '--address',
      '',
      join(import.meta.dirname, 'steady-load.ts'),
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        API_URL: target.api,
        USER_URL: target.user,
        GATEWAY_URL: target.gateway,
        API_KEY: target.apiKey,
        CHAIN_ID: String(target.chainId),
        RATE: String(perSecond),
        SUMMARY_FILE: summaryFile,
      },
    },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const from = performance.now();
  try {
    await sleep(WARM_UP_MS);
    await act();
    await sleep(COOL_DOWN_MS);
  } finally {
    child.kill('SIGINT');
    await ended;
  }
  if (!existsSync(summaryFile)) throw new CheckFailure(`k6 left no summary:\n${said.slice(-2_000)}`);
  const { metrics } = JSON.parse(readFileSync(summaryFile, 'utf8')) as K6Summary;
  const wrong = said.split('\n').filter((line) => line.includes('WRONG'));
  const requests = metrics.http_reqs?.values.count ?? 0;
  // What k6 had no virtual user for was never asked, so it is neither answered nor lost.
  const dropped = metrics.dropped_iterations?.values.count ?? 0;
  const duration = metrics.http_req_duration?.values ?? {};
  const result = {
    requests,
    failed: wrong.length,
    perSecond: requests / ((performance.now() - from) / 1000),
    p95Ms: Math.round(duration['p(95)'] ?? 0),
    maxMs: Math.round(duration.max ?? 0),
  };
  const text =
    `${result.failed} of ${requests} requests failed at ${result.perSecond.toFixed(0)}/s ` +
    `(p95 ${result.p95Ms} ms, slowest ${result.maxMs} ms)`;
  if (dropped > requests * MOST_DROPPED)
    throw new CheckFailure(
      `k6 could not send ${dropped} requests in time: this machine is too busy to prove anything`,
    );
  if (result.failed > 0 || requests === 0) {
    const first = wrong.slice(0, 5).map((line) => /WRONG .*?(?="? *source=|$)/.exec(line)?.[0] ?? line);
    throw new CheckFailure(
      [`${text}${dropped ? `, ${dropped} more never sent` : ''}`, ...first].join('\n      '),
    );
  }
  return { ...result, text };
}
