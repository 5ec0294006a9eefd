import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Command, plainEnvironment } from './command.ts';
import { redisBinary } from './redis-binary.ts';

export interface RedisOptions {
  readonly port: number;
  /** Folder for the configuration and, when durable, the append-only file. */
  readonly dir: string;
  readonly password?: string | undefined;
  /** Keep what was written across restarts (append-only file, synced every second). */
  readonly durable?: boolean;
  /** Logical databases; the tests give one to every file. */
  readonly databases?: number;
  readonly onProgress?: (line: string) => void;
}

export interface RedisPart {
  readonly command: Command;
  readonly url: string;
}

/** Writes the configuration of a Redis on loopback and returns how to run it. */
export async function prepareRedis(options: RedisOptions): Promise<RedisPart> {
  const { port, dir, password, durable = false, databases = 16 } = options;
  const binary = await redisBinary(options.onProgress ? { onProgress: options.onProgress } : {});
  await mkdir(dir, { recursive: true });
  const lines = [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir "${dir}"`,
    'daemonize no',
    `databases ${databases}`,
    'save ""',
    `appendonly ${durable ? 'yes' : 'no'}`,
    'appendfsync everysec',
    // Bull's queues are not a cache: nothing may be evicted.
    'maxmemory-policy noeviction',
    ...(password === undefined ? [] : [`requirepass ${password}`]),
  ];
  const config = join(dir, 'redis.conf');
  // The password must not appear in the process list, so it is in a file of our own.
  await writeFile(config, `${lines.join('\n')}\n`, { mode: 0o600 });
  return {
    command: {
      file: binary.file,
      args: [config],
      env: plainEnvironment(binary.libraryPath === '' ? {} : { LD_LIBRARY_PATH: binary.libraryPath }),
      cwd: dir,
      stopSignal: 'SIGTERM',
    },
    url: `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`,
  };
}

/**
 * Asks a Redis for PONG over a bare socket.
 *
 * @returns undefined when it answers, else what went wrong in a few words.
 */
export function pingRedis(url: string, timeoutMs = 2_000): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { hostname, port, password, username, protocol } = new URL(url);
    if (protocol !== 'redis:') {
      // TLS servers are checked by the services themselves, with the client library.
      resolve(undefined);
      return;
    }
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) });
    const finish = (problem: string | undefined) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(timeoutMs, () => finish(`no answer within ${timeoutMs} ms`));
    socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
    socket.once('connect', () => {
      const user = username === '' ? '' : `${decodeURIComponent(username)} `;
      const auth = password === '' ? '' : `AUTH ${user}${decodeURIComponent(password)}\r\n`;
      socket.write(`${auth}PING\r\n`);
    });
    let seen = '';
    socket.on('data', (chunk) => {
      seen += chunk.toString('utf8');
      if (seen.includes('+PONG')) finish(undefined);
      else if (/^-.*\r\n/m.test(seen)) finish(seen.trim().replace(/^-/m, ''));
    });
    socket.once('close', () => finish('it closed the connection'));
  });
}
