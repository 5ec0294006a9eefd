import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FaultInput } from '../simulator/faults.ts';
import type { StatsSnapshot } from '../simulator/stats.ts';
import { freePort } from '../stack/parts/free-port.ts';
import type { LoadJob, LoadResult } from './load/run-load.ts';
import { type ProcessUsage, readProcessUsage } from './process-usage.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const LOG_FOLDER = `${root}.state/bench`;
const START_TIMEOUT_MS = 60_000;
export const BENCH_CHAIN_ID = 31_337;

export interface UpstreamProcess {
  readonly url: string;
  readonly pid: number;
  setFaults(faults: readonly FaultInput[]): Promise<void>;
  stats(): Promise<StatsSnapshot>;
  resetStats(): Promise<void>;
  down(): Promise<void>;
  up(): Promise<void>;
  /** Height of the chain it serves. */
  head(): Promise<number>;
}

export interface GatewayProcess {
  readonly url: string;
  readonly pid: number;
  usage(): ProcessUsage;
}

/** Starts what a scenario needs as processes of their own, and stops all of it afterwards. */
export interface Stage {
  upstreams(
    count: number,
    options?: { faults?: readonly FaultInput[]; args?: readonly string[] },
  ): Promise<UpstreamProcess[]>;
  gateway(
    upstreams: readonly UpstreamProcess[],
    env?: Readonly<Record<string, string>>,
  ): Promise<GatewayProcess>;
  /** A worker of background jobs beside a gateway; `env` says which database and Redis. */
  worker(
    name: string,
    upstreams: readonly UpstreamProcess[],
    env: Readonly<Record<string, string>>,
  ): Promise<GatewayProcess>;
  load(job: LoadJob): Promise<LoadResult>;
  /** CPU of a process per call while `work` runs. */
  cpuPerCall(
    measured: { readonly pid: number },
    work: () => Promise<LoadResult>,
  ): Promise<{ result: LoadResult; microseconds: number }>;
  stop(): Promise<void>;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function createStage(scenario: string): Stage {
  const children: ChildProcess[] = [];

  function start(
    name: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): ChildProcess {
    const child = spawn(process.execPath, [...args], {
      cwd: root,
      // Only what a process needs: settings of the person who runs the bench must not change what is measured.
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const log = createWriteStream(`${LOG_FOLDER}/${scenario}-${name}.log`, { flags: 'a' });
    child.stdout?.pipe(log);
    child.stderr?.pipe(log);
    return child;
  }

  function firstLine(child: ChildProcess, what: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const timer = setTimeout(
        () => reject(new Error(`${what} did not start within ${START_TIMEOUT_MS / 1_000} s`)),
        START_TIMEOUT_MS,
      );
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (!text.includes('\n')) return;
        clearTimeout(timer);
        resolve(text.slice(0, text.indexOf('\n')));
      });
      child.once('exit', (code) => {
        clearTimeout(timer);
        reject(new Error(`${what} ended with ${code}; see .state/bench/${scenario}-*.log`));
      });
    });
  }

  async function control<T>(controlUrl: string, path: string, method = 'GET', body?: unknown): Promise<T> {
    const response = await fetch(`${controlUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async function upstream(index: number, args: readonly string[]): Promise<UpstreamProcess> {
    const name = `upstream-${index}`;
    const child = start(name, [
      'tools/simulator/main.ts',
      '--synthetic',
      '--json',
      '--no-record',
      '--port',
      '0',
      '--name',
      name,
      '--chain-id',
      String(BENCH_CHAIN_ID),
      '--seed',
      '1',
      ...args,
    ]);
    const { url, controlUrl } = JSON.parse(await firstLine(child, name)) as {
      url: string;
      controlUrl: string;
    };
    return {
      url,
      pid: child.pid as number,
      setFaults: async (faults) => void (await control(controlUrl, '/control/faults', 'PUT', faults)),
      stats: () => control<StatsSnapshot>(controlUrl, '/control/stats'),
      resetStats: async () => void (await control(controlUrl, '/control/stats', 'DELETE')),
      down: async () => void (await control(controlUrl, '/control/down', 'POST')),
      up: async () => void (await control(controlUrl, '/control/up', 'POST')),
      async head() {
        const { source } = await control<{ source: { synthetic: { head: number } } }>(controlUrl, '/control');
        return source.synthetic.head;
      },
    };
  }

  /** Starts one of the gateway's processes and waits until it is ready. */
  async function serve(
    name: string,
    file: string,
    upstreams: readonly UpstreamProcess[],
    env: Readonly<Record<string, string>>,
  ): Promise<{ url: string; pid: number }> {
    const port = await freePort();
    const child = start(name, [file], {
      HOST: '127.0.0.1',
      PORT: String(port),
      CHAIN_ID: String(BENCH_CHAIN_ID),
      RPC_URLS: upstreams.map(({ url }) => url).join(','),
      LOG_LEVEL: 'warn',
      ...env,
    });
    const url = `http://127.0.0.1:${port}`;
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const log = `see .state/bench/${scenario}-${name}.log`;
      if (child.exitCode !== null) throw new Error(`the ${name} ended with ${child.exitCode}; ${log}`);
      const ready = await fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (ready) return { url, pid: child.pid as number };
      if (Date.now() > deadline)
        throw new Error(`the ${name} was not ready within ${START_TIMEOUT_MS / 1_000} s; ${log}`);
      await sleep(100);
    }
  }

  async function load(job: LoadJob): Promise<LoadResult> {
    const child = spawn(process.execPath, ['tools/bench/load/process.ts', JSON.stringify(job)], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`the load process ended with ${code}`);
    return JSON.parse(text) as LoadResult;
  }

  return {
    async upstreams(count, options = {}) {
      await mkdir(LOG_FOLDER, { recursive: true });
      const started = await Promise.all(
        Array.from({ length: count }, (_, index) => upstream(index + 1, options.args ?? [])),
      );
      const { faults } = options;
      if (faults !== undefined) await Promise.all(started.map((each) => each.setFaults(faults)));
      return started;
    },
    async gateway(upstreams, env = {}) {
      const { url, pid } = await serve('gateway', 'services/chain-gateway/main.ts', upstreams, env);
      return { url: `${url}/rpc/${BENCH_CHAIN_ID}`, pid, usage: () => readProcessUsage(pid) };
    },
    async worker(name, upstreams, env) {
      const { url, pid } = await serve(name, 'services/chain-gateway/worker.ts', upstreams, {
        WORKER_ROLES: 'jobs',
        POD_NAME: name,
        ...env,
      });
      return { url, pid, usage: () => readProcessUsage(pid) };
    },
    load,
    async cpuPerCall({ pid }, work) {
      const before = readProcessUsage(pid).cpuMs;
      const result = await work();
      return {
        result,
        microseconds: ((readProcessUsage(pid).cpuMs - before) * 1_000) / Math.max(1, result.calls),
      };
    },
    async stop() {
      const running = children.filter((child) => child.exitCode === null && child.signalCode === null);
      const ended = running.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      for (const child of running) child.kill('SIGTERM');
      const timer = setTimeout(() => {
        for (const child of running) child.kill('SIGKILL');
      }, 5_000);
      await Promise.all(ended);
      clearTimeout(timer);
    },
  };
}
