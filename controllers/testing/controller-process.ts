import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The controller as its own process, the way it runs in a pod. */
export interface ControllerProcess {
  readonly pid: number;
  readonly name: string;
  /** Everything it logged. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code. */
  readonly exited: Promise<number | null>;
  stop(): Promise<void>;
}

export function startControllerProcess(options: {
  name: string;
  kubeconfig: string;
  redisUrl: string;
  env?: Record<string, string>;
}): ControllerProcess {
  const folder = mkdtempSync(join(tmpdir(), 'controller-'));
  const kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, options.kubeconfig, { mode: 0o600 });
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts')], {
    env: {
      PATH: process.env.PATH,
      KUBECONFIG: kubeconfig,
      REDIS_URL: options.redisUrl,
      PORT: '0',
      POD_NAME: options.name,
      LOG_LEVEL: 'debug',
      QUEUE_INTERVAL_MS: '100',
      LEASE_DURATION_MS: '3000',
      DRAIN_TIMEOUT_MS: '3000',
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    pid: child.pid ?? 0,
    name: options.name,
    log: () => output,
    signal: (signal) => void child.kill(signal),
    exited,
    async stop() {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
