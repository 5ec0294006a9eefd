import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPrograms } from '../cluster/build.ts';
import { signInMany } from './people.ts';
import { htmlReport, junitReport, type ReportInput } from './reports.ts';
import { type ProcessUrls, watchServerSide } from './server-side.ts';
import { openStreams, type Streams } from './streams.ts';
import { type K6Summary, type VerdictRow, verdictOf } from './verdict.ts';

const ROOT = join(import.meta.dirname, '..', '..');
export const SCENARIOS = join(ROOT, 'loadtests', 'scenarios');

/** Where the platform under test is, and what is needed to use it. */
export interface LoadTarget {
  readonly api: string;
  readonly user: string;
  readonly gateway: string;
  readonly chainId: number;
  /** Key of a client that may send transactions; without one there are none. */
  readonly apiKey: string;
  /** Address of the token, for balances by JSON-RPC. */
  readonly token: string;
  /** The processes whose own figures count; behind the proxy of a test they are the real ones. */
  readonly processes: ProcessUrls;
}

export interface LoadOptions {
  readonly scenario: string;
  readonly duration?: string | undefined;
  /** Requests a minute of the peak; 0 sends nothing. */
  readonly rate?: number | undefined;
  /** How many people take part; each virtual user plays one. */
  readonly people: number;
  /** Remote-write URL of a Prometheus that gets k6's series. */
  readonly remoteWrite?: string | undefined;
  readonly outputFolder: string;
  readonly say: (line: string) => void;
}

export interface LoadResult {
  readonly rows: readonly VerdictRow[];
  readonly kept: boolean;
  readonly files: readonly string[];
}

/** Something of the platform does not answer; nothing was sent. */
export class TargetDownError extends Error {
  override readonly name = 'TargetDownError';
}

/** k6 could not do its work; says nothing about objectives. */
export class K6Error extends Error {
  override readonly name = 'K6Error';
}

const KNOCK_MS = 5_000;
/** Scenarios that send transactions and listen for their notifications. */
const WITH_TRANSFERS = ['peak', 'notifications', 'transactions'];
/** How many of the people keep a stream open and are paid. */
const RECIPIENTS = 10;

/** Asks each service whether it is there before anything is prepared. Throws {@link TargetDownError}, naming who is not. */
export async function knock(target: Pick<LoadTarget, 'api' | 'user' | 'gateway'>): Promise<void> {
  const problems = await Promise.all(
    Object.entries({ api: target.api, user: target.user, gateway: target.gateway }).map(
      async ([name, url]) => {
        if (!url) return undefined;
        try {
          const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(KNOCK_MS) });
          await response.body?.cancel();
          return response.ok ? undefined : `${name} at ${url} is not ready (${response.status})`;
        } catch (error) {
          const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).name;
          return `${name} at ${url} does not answer (${cause})`;
        }
      },
    ),
  );
  const found = problems.filter((problem) => problem !== undefined);
  if (found.length > 0) throw new TargetDownError(found.join('; '));
}

/** k6 from the PATH, else built from its pinned modules into the cache. */
async function findK6(say: (line: string) => void): Promise<string> {
  const onPath = spawnSync('k6', ['version'], { encoding: 'utf8' });
  if (onPath.status === 0) return 'k6';
  return (await buildPrograms(['k6'], say)).k6;
}

function runK6(k6: string, script: string, env: NodeJS.ProcessEnv, remoteWrite: boolean): Promise<number> {
  const output = remoteWrite ? ['--out', 'experimental-prometheus-rw'] : [];
  const child = spawn(k6, ['run', '--no-usage-report', '--quiet', ...output, script], {
    stdio: 'inherit',
    env,
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new K6Error(error.message)));
    child.once('close', (status) => resolve(status ?? 1));
  });
}

const secondsOf = (duration: string | undefined): number => {
  const [, number = '10', unit = 'm'] = /^(\d+)(s|m|h)$/.exec(duration ?? '10m') ?? [];
  return Number(number) * ({ s: 1, m: 60, h: 3600 }[unit] ?? 60);
};

/** Runs one scenario and judges it. Throws {@link TargetDownError} before, {@link K6Error} when k6 leaves no summary. */
export async function runLoadTest(target: LoadTarget, options: LoadOptions): Promise<LoadResult> {
  const { scenario, outputFolder, say } = options;
  await knock(target);
  const k6 = await findK6(say);
  mkdirSync(outputFolder, { recursive: true });
  const file = (ending: string): string => join(outputFolder, `${scenario}${ending}`);
  const peopleFile = file('.people.json');
  const summaryFile = file('.json');
  rmSync(summaryFile, { force: true });

  const people = await signInMany(target.user, options.people, (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r… signing people in: ${done} of ${options.people} `);
  });
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
  // Tokens of throw-away people on a development stack; still nobody else's business.
  writeFileSync(peopleFile, JSON.stringify(people), { mode: 0o600 });

  const recipients = people.slice(0, RECIPIENTS);
  let streams: Streams | undefined;
  if (WITH_TRANSFERS.includes(scenario)) {
    const rpcUrl = `${target.gateway}/rpc/${target.chainId}`;
    streams = await openStreams({ userUrl: target.user, rpcUrl, people: recipients });
  }
  const startedAt = new Date();
  try {
    const server = await watchServerSide(target.processes);
    say(
      `${people.length} people are signed in; k6 runs ${scenario} against ${target.api} and ${target.user}`,
    );
    const code = await runK6(
      k6,
      join(SCENARIOS, `${scenario}.ts`),
      {
        ...process.env,
        API_URL: target.api,
        USER_URL: target.user,
        GATEWAY_URL: target.gateway,
        CHAIN_ID: String(target.chainId),
        API_KEY: target.apiKey,
        TOKEN_ADDRESS: target.token,
        STREAMS_URL: streams?.url ?? '',
        RECIPIENTS: String(recipients.length),
        RUN_ID: String(startedAt.getTime()),
        PEOPLE_FILE: peopleFile,
        SUMMARY_FILE: summaryFile,
        ...(options.duration === undefined ? {} : { DURATION: options.duration }),
        ...(options.rate === undefined ? {} : { RATE: String(options.rate) }),
        ...(options.remoteWrite === undefined
          ? {}
          : {
              K6_PROMETHEUS_RW_SERVER_URL: options.remoteWrite,
              K6_PROMETHEUS_RW_TREND_STATS: 'p(99)',
              K6_PROMETHEUS_RW_PUSH_INTERVAL: '2s',
            }),
      },
      options.remoteWrite !== undefined,
    );
    if (!existsSync(summaryFile)) throw new K6Error(`k6 ended with ${code} and left no summary`);
    const rows = verdictOf({
      scenario,
      summary: JSON.parse(readFileSync(summaryFile, 'utf8')) as K6Summary,
      server: await server.finish(),
      ...(scenario === 'peak'
        ? { offered: { perMinute: options.rate || 1_000, seconds: secondsOf(options.duration) } }
        : {}),
    });
    const report: ReportInput = {
      scenario,
      startedAt,
      seconds: (Date.now() - startedAt.getTime()) / 1000,
      rows,
    };
    writeFileSync(file('.html'), htmlReport(report));
    writeFileSync(file('.junit.xml'), junitReport(report));
    return {
      rows,
      kept: rows.length > 0 && rows.every((row) => row.kept),
      files: [summaryFile, file('.html'), file('.junit.xml')],
    };
  } finally {
    rmSync(peopleFile, { force: true });
    await streams?.close();
  }
}
