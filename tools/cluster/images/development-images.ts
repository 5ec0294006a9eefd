import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { anvilBinary } from '../../stack/parts/anvil.ts';
import { findOnPath } from '../../stack/parts/command.ts';
import { postgresBinary } from '../../stack/parts/postgres-binary.ts';
import { redisBinary } from '../../stack/parts/redis-binary.ts';
import { assembleImage, librariesOf, type Rootfs } from './assemble.ts';
import { addHelper, helperKey } from './helpers.ts';

/** An image for a part of the development preset, and how the chart's values name it. */
export interface DevelopmentImage {
  /** Key under `embedded` in the values. */
  readonly part: 'postgres' | 'redis' | 'chain';
  readonly repository: string;
  readonly tag: string;
  readonly archive: string;
}

/** Users that the chart runs these parts as (those of the official images): initdb wants to find its own name. */
const PASSWD = [
  'root:x:0:0:root:/root:/sbin/nologin',
  'postgres:x:70:70::/var/lib/postgresql:/sbin/nologin',
  'redis:x:999:999::/data:/sbin/nologin',
  'foundry:x:1000:1000::/home/foundry:/sbin/nologin',
];

function common(rootfs: Rootfs): void {
  rootfs.write('/etc/passwd', `${PASSWD.join('\n')}\n`);
  rootfs.write('/etc/group', 'root:x:0:\npostgres:x:70:\nredis:x:999:\nfoundry:x:1000:\n');
  rootfs.directory('/tmp', 0o1777);
}

const stamp = (file: string): string => {
  const { size, mtimeMs } = statSync(file);
  return `${size}-${Math.round(mtimeMs)}`;
};

/** Says what is inside: an image of the same name would not be loaded again. */
const tagOf = (version: string, key: string): string =>
  `${version}-${createHash('sha256').update(key).digest('hex').slice(0, 6)}`;

const versionIn = (file: string, env: NodeJS.ProcessEnv = {}): string =>
  /(\d+\.\d+(\.\d+)?)/.exec(
    execFileSync(file, ['--version'], { encoding: 'utf8', env: { ...process.env, ...env } }),
  )?.[1] ?? 'unknown';

/** Understands what the official image does of POSTGRES_* and PGDATA; the server is the one of `make up`. */
async function postgres(): Promise<DevelopmentImage> {
  const { bin, version } = await postgresBinary();
  const repository = 'localhost/rejuve-postgres';
  const key = `${stamp(join(bin, 'postgres'))} ${helperKey('postgres')} 1`;
  const tag = tagOf(version, key);
  const archive = await assembleImage({
    name: `${repository}:${tag}`,
    key,
    config: {
      entrypoint: ['/usr/local/bin/docker-entrypoint'],
      command: ['postgres'],
      user: '70:70',
      env: { PGDATA: '/var/lib/postgresql/data', LD_LIBRARY_PATH: '/opt/postgres/lib' },
    },
    fill: (rootfs) => {
      common(rootfs);
      const native = join(bin, '..');
      for (const folder of ['bin', 'lib', 'share'])
        rootfs.copy(join(native, folder), `/opt/postgres/${folder}`);
      for (const name of ['postgres', 'initdb']) {
        for (const library of librariesOf(join(bin, name), join(native, 'lib')))
          if (!library.startsWith(native)) rootfs.copyOnce(library);
      }
      // initdb starts the server through a shell.
      rootfs.program(findOnPath('sh') ?? '/bin/sh', '/bin/sh');
      addHelper(rootfs, 'postgres', '/usr/local/bin/docker-entrypoint');
    },
  });
  return { part: 'postgres', repository, tag, archive };
}

async function redis(): Promise<DevelopmentImage> {
  const { file, libraryPath } = await redisBinary();
  const version = versionIn(file, { LD_LIBRARY_PATH: libraryPath });
  const repository = 'localhost/rejuve-redis';
  const key = `${stamp(file)} 2`;
  const tag = tagOf(version, key);
  const archive = await assembleImage({
    name: `${repository}:${tag}`,
    key,
    config: { command: ['redis-server'], user: '999:999', workingDir: '/data' },
    fill: (rootfs) => {
      common(rootfs);
      rootfs.directory('/data', 0o777);
      rootfs.copy(file, '/usr/local/bin/redis-server');
      const cli = join(file, '..', 'redis-cli');
      if (existsSync(cli)) rootfs.copy(cli, '/usr/local/bin/redis-cli');
      // Unpacked libraries go where every loader looks.
      for (const library of librariesOf(file, libraryPath))
        rootfs.copyOnce(library, libraryPath ? '/usr/lib' : undefined);
    },
  });
  return { part: 'redis', repository, tag, archive };
}

async function chain(): Promise<DevelopmentImage> {
  const file = anvilBinary();
  const version = versionIn(file);
  const repository = 'localhost/rejuve-foundry';
  const key = stamp(file);
  const tag = tagOf(version, key);
  const archive = await assembleImage({
    name: `${repository}:${tag}`,
    key,
    config: { command: ['anvil'], user: '1000:1000', workingDir: '/tmp' },
    fill: (rootfs) => {
      common(rootfs);
      rootfs.program(file, '/usr/local/bin/anvil');
    },
  });
  return { part: 'chain', repository, tag, archive };
}

/** Stand-ins for the public images of Postgres, Redis and Foundry, from the parts that `make up` runs. */
export const developmentImages = (): Promise<DevelopmentImage[]> =>
  Promise.all([postgres(), redis(), chain()]);
