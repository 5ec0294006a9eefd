import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Target } from './target.ts';

const run = promisify(execFile);
const PROJECT = join(import.meta.dirname, '..', '..');
export const CHART = join(PROJECT, 'charts', 'rejuve-platform');
const MAX_OUTPUT = 64 * 1024 * 1024;

/** A command of helm or kubectl that failed: what it was and what it said. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

async function command(
  file: string,
  args: readonly string[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string> {
  try {
    return (await run(file, args, { maxBuffer: MAX_OUTPUT, timeout: timeoutMs, ...(signal && { signal }) }))
      .stdout;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const [program] = file.split('/').slice(-1);
    throw new CommandError(`${program} ${args.slice(0, 6).join(' ')} …: ${stderr.trim() || message}`, {
      cause: error,
    });
  }
}

export interface ReleaseOptions {
  readonly target: Target;
  readonly namespace: string;
  readonly name: string;
}

/** One Helm release in one namespace, and what is asked of kubectl about it. */
export function createRelease({ target, namespace, name }: ReleaseOptions) {
  const kubectl = (...args: string[]): Promise<string> =>
    command(target.kubectl, ['--kubeconfig', target.kubeconfig, '-n', namespace, ...args], 600_000);
  const helm = (...args: string[]): Promise<string> =>
    command(target.helm, ['--kubeconfig', target.kubeconfig, '-n', namespace, ...args], 900_000);
  return {
    name,
    namespace,
    kubectl,
    helm,
    /** `helm upgrade --install` with the development preset; waits until all is ready. */
    install: (values: Readonly<Record<string, string>>, more: readonly string[] = [], signal?: AbortSignal) =>
      command(
        target.helm,
        [
          ...['--kubeconfig', target.kubeconfig, '-n', namespace],
          ...['upgrade', '--install', name, CHART, '--create-namespace'],
          ...['--values', join(CHART, 'values-dev.yaml'), '--wait', '--timeout', '8m'],
          ...Object.entries(values).flatMap(([key, value]) => [
            // A tag of digits is no number.
            key.endsWith('.tag') ? '--set-string' : '--set',
            `${key}=${value}`,
          ]),
          ...more,
        ],
        900_000,
        signal,
      ),
    /** POST of an object to a path of the API, for what kubectl has no word for. */
    create: (path: string, body: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const child = execFile(
          target.kubectl,
          ['--kubeconfig', target.kubeconfig, 'create', '--raw', path, '-f', '-'],
          (error, stdout, stderr) =>
            error
              ? reject(new CommandError(stderr.trim() || error.message, { cause: error }))
              : resolve(stdout),
        );
        child.stdin?.end(body);
      }),
    get: async <T>(...args: string[]): Promise<T> =>
      JSON.parse(await kubectl('get', ...args, '-o', 'json')) as T,
    /** A key of a Secret of the release, decoded. */
    async secret(secretName: string, key: string): Promise<string> {
      const secret = JSON.parse(await kubectl('get', 'secret', secretName, '-o', 'json')) as {
        data?: Record<string, string>;
      };
      const value = secret.data?.[key];
      if (value === undefined) throw new CommandError(`Secret ${secretName} has no ${key}`);
      return Buffer.from(value, 'base64').toString();
    },
    /** URL of a part's Service. */
    url: (part: string, port: number) => target.reach(namespace, `${name}-${part}`, port),
  };
}

export type Release = ReturnType<typeof createRelease>;
