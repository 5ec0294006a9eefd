import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheDir } from '../stack/parts/cache-dir.ts';
import { freePort } from '../stack/parts/free-port.ts';
import { pingPostgres, postgresTemplate, preparePostgres } from '../stack/parts/postgres.ts';
import { pingRedis, prepareRedis } from '../stack/parts/redis.ts';
import { type Running, startAndWait } from '../stack/parts/spawn.ts';

/** Logical databases of the shared Redis; each test file takes the next one (see test-redis.ts). */
export const TEST_REDIS_DATABASES = 1024;

/** Where a test file finds the servers of its run. */
export const TEST_POSTGRES_URL = 'TEST_POSTGRES_URL';
export const TEST_REDIS_URL = 'TEST_REDIS_URL';

export interface TestServers {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  stop(): Promise<void>;
}

/** A port can be taken between choosing and using it; with several runs on one machine it sometimes is. */
const ATTEMPTS = 3;

async function withFreePort(start: (port: number) => Promise<Running>): Promise<Running> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/**
 * Starts a Postgres and a Redis for one test run, in a temporary folder and on free ports, so that any number
 * of runs live side by side. The data folder is a copy of a prepared one, so this takes about half a second.
 */
export async function startTestServers(): Promise<TestServers> {
  const dir = await mkdtemp(join(tmpdir(), 'rejuve-test-'));
  // Postgres runs as another user when we are root; it must be able to pass.
  await chmod(dir, 0o711);
  const password = 'test';
  let postgresUrl = '';
  let redisUrl = '';
  let dataDir = '';

  const startPostgres = async (): Promise<Running> => {
    const template = await postgresTemplate(join(cacheDir(), 'postgres'), password);
    return withFreePort(async (port) => {
      const part = await preparePostgres({ port, dir: join(dir, 'postgres'), password, template });
      ({ url: postgresUrl, dataDir } = part);
      return startAndWait({
        name: 'Postgres',
        command: part.command,
        logFile: join(dir, 'postgres.log'),
        ready: async () => (await pingPostgres(part.url)) === undefined,
      });
    });
  };
  const startRedis = (): Promise<Running> =>
    withFreePort(async (port) => {
      const part = await prepareRedis({ port, dir: join(dir, 'redis'), databases: TEST_REDIS_DATABASES });
      redisUrl = part.url;
      return startAndWait({
        name: 'Redis',
        command: part.command,
        logFile: join(dir, 'redis.log'),
        ready: async () => (await pingRedis(part.url)) === undefined,
      });
    });

  const started = await Promise.allSettled([startPostgres(), startRedis()]);
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((part) => (part.status === 'fulfilled' ? part.value.stop() : undefined)));
    await rm(dir, { recursive: true, force: true });
    if (dataDir !== '') await rm(dataDir, { recursive: true, force: true });
  };
  const failed = started.find((part) => part.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return { postgresUrl, redisUrl, stop };
}

/**
 * The address of a server of this run.
 *
 * @throws Error when the file does not run in jest's integration project.
 */
export function serverUrl(name: typeof TEST_POSTGRES_URL | typeof TEST_REDIS_URL): string {
  const url = process.env[name];
  if (url !== undefined) return url;
  throw new Error(
    `${name} is not set: name this file *.integration.test.ts and run it with --selectProjects integration, ` +
      'so that the servers are started for it.',
  );
}
