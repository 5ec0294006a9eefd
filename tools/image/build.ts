import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../cluster/build.ts';
import {
  NODE_BASE_IMAGE,
  NODE_BUILD_IMAGE,
  nodeBaseImage,
  nodeBuildImage,
} from '../cluster/images/node-images.ts';
import { findOnPath } from '../stack/parts/command.ts';

const run = promisify(execFile);
const PROJECT = join(import.meta.dirname, '..', '..');
export const IMAGE_OUTPUT = join(PROJECT, 'output', 'image');

export type Engine = 'docker' | 'podman' | 'buildah';

export interface BuiltImage {
  readonly name: string;
  readonly engine: Engine;
  /** docker-archive of the image; absent when a daemon keeps it. */
  readonly archive: string | undefined;
  /** Digest of the image's configuration: equal for equal content. */
  readonly imageId: string;
  readonly bytes: number;
  readonly seconds: number;
  /** Nothing had changed since it was built. */
  readonly cached: boolean;
}

export interface BuildImageOptions {
  /** `registry.example/rejuve/rejuve-platform`; localhost/rejuve-platform when absent. */
  readonly repository?: string;
  /** Tag; one made of the content when absent. */
  readonly tag?: string;
  /** Where the bases come from: a registry, or assembled from this machine's Node. */
  readonly base?: 'registry' | 'local';
  readonly engine?: Engine;
  readonly log: (line: string) => void;
  /** Build although nothing changed. */
  readonly fresh?: boolean;
  /** Build every step anew, and keep the result nowhere: only its identity is wanted. */
  readonly noCache?: boolean;
}

/** The first engine that this machine has, or the one that IMAGE_ENGINE names. Throws with what to install. */
export function chooseEngine(env: NodeJS.ProcessEnv = process.env): Engine {
  const wanted = env.IMAGE_ENGINE;
  const known: readonly Engine[] = ['docker', 'podman', 'buildah'];
  if (wanted) {
    if (!known.includes(wanted as Engine))
      throw new Error(`IMAGE_ENGINE must be docker, podman or buildah, not "${wanted}"`);
    return wanted as Engine;
  }
  const found = known.find((engine) => findOnPath(engine) !== undefined && works(engine));
  if (found === undefined)
    throw new Error(
      'no docker (with buildx), podman or buildah that works: install one (Debian: apt-get install buildah)',
    );
  return found;
}

/** A docker command alone builds nothing: it needs its daemon, and BuildKit for mounts during the build. */
function works(engine: Engine): boolean {
  const succeeds = (...args: string[]) =>
    spawnSync(engine, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
  if (engine === 'docker') return succeeds('version') && succeeds('buildx', 'version');
  return succeeds(engine === 'podman' ? 'info' : '--version');
}

/** Folders and files that .dockerignore lets in; what is built depends on nothing else. */
const context = (): string[] => [
  'Dockerfile',
  '.dockerignore',
  ...readFileSync(join(PROJECT, '.dockerignore'), 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith('!') ? [line.slice(1).trim()] : [])),
];

/** Fingerprint of everything that goes into the image. */
export function contextHash(): string {
  const hash = createHash('sha256');
  const add = (path: string): void => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort())
        if (!['node_modules', 'testing', '.state'].includes(name) && !/\.(test|bench)\.ts$/.test(name))
          add(join(path, name));
    } else hash.update(relative(PROJECT, path)).update('\0').update(readFileSync(path)).update('\0');
  };
  for (const path of context()) add(join(PROJECT, path));
  return hash.digest('hex').slice(0, 12);
}

const revision = (): string => {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: PROJECT, encoding: 'utf8' }).trim();
  } catch {
    // An exported tree without history.
    return 'unknown';
  }
};

/** Builds the image, or finds it built. Throws with the engine's last lines. */
export async function buildImage(options: BuildImageOptions): Promise<BuiltImage> {
  const { log, engine = chooseEngine() } = options;
  const base = options.base ?? (engine === 'buildah' ? 'local' : 'registry');
  const content = contextHash();
  const name = `${options.repository ?? 'localhost/rejuve-platform'}:${options.tag ?? `dev-${content}`}`;
  const record = join(IMAGE_OUTPUT, 'image.json');
  const known = readRecord(record);
  if (
    !options.fresh &&
    !options.noCache &&
    known?.name === name &&
    known.content === content &&
    known.engine === engine
  )
    if (known.archive === undefined || existsSync(known.archive)) {
      log(`${name} is built already`);
      return { ...known, cached: true };
    }
  mkdirSync(IMAGE_OUTPUT, { recursive: true });
  const from = performance.now();
  log(`building ${name} with ${engine}, bases from ${base === 'local' ? 'this machine' : 'the registry'}`);
  const args = [...(await buildArguments(base)), ...(options.noCache ? ['--no-cache'] : [])];
  const archive =
    engine === 'buildah' && !options.noCache ? join(IMAGE_OUTPUT, 'rejuve-platform.tar') : undefined;
  const imageId =
    engine === 'buildah' ? await withBuildah(name, args, archive, log) : await withDaemon(engine, name, args);
  const built = {
    name,
    engine,
    archive,
    imageId,
    bytes: options.noCache
      ? 0
      : archive
        ? statSync(archive).size
        : Number((await run(engine, ['image', 'inspect', '--format', '{{.Size}}', name])).stdout),
    seconds: Math.round((performance.now() - from) / 100) / 10,
    cached: false,
  };
  if (options.noCache) return built;
  writeFileSync(record, `${JSON.stringify({ ...built, content }, null, 2)}\n`);
  writeProvenance({ ...built, content, base });
  return built;
}

function readRecord(file: string): (BuiltImage & { content: string }) | undefined {
  return existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as BuiltImage & { content: string })
    : undefined;
}

async function buildArguments(base: 'registry' | 'local'): Promise<string[]> {
  const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string };
  const args = [`--build-arg=REVISION=${revision()}`, `--build-arg=VERSION=${version}`];
  const { BUILD_IMAGE, BASE_IMAGE } = process.env;
  if (base === 'local') {
    // Named by their archives: nothing has to be tagged or loaded beforehand.
    args.push(
      `--build-arg=BUILD_IMAGE=docker-archive:${await nodeBuildImage()}:${NODE_BUILD_IMAGE}`,
      `--build-arg=BASE_IMAGE=docker-archive:${await nodeBaseImage()}:${NODE_BASE_IMAGE}`,
    );
  } else {
    if (BUILD_IMAGE) args.push(`--build-arg=BUILD_IMAGE=${BUILD_IMAGE}`);
    if (BASE_IMAGE) args.push(`--build-arg=BASE_IMAGE=${BASE_IMAGE}`);
  }
  // Registries that want a login or another address are configured there.
  const npmrc = join(homedir(), '.npmrc');
  if (existsSync(npmrc)) args.push(`--secret=id=npmrc,src=${npmrc}`);
  const { NODE_EXTRA_CA_CERTS } = process.env;
  if (NODE_EXTRA_CA_CERTS && existsSync(NODE_EXTRA_CA_CERTS))
    args.push(`--secret=id=ca,src=${NODE_EXTRA_CA_CERTS}`);
  return args;
}

/** Times in the image are of the commit, or 1970: the same commit gives the same image. */
const timestamp = (): string => process.env.SOURCE_DATE_EPOCH || '0';

async function withBuildah(
  name: string,
  args: readonly string[],
  archive: string | undefined,
  log: (line: string) => void,
): Promise<string> {
  // A storage of its own, away from what else buildah is used for.
  const storage = join(cacheFolder(), 'buildah');
  const common = [
    '--root',
    join(storage, 'root'),
    '--runroot',
    join(storage, 'run'),
    '--storage-driver',
    'overlay',
  ];
  await stream(
    'buildah',
    [
      ...[
        ...common,
        'build',
        '--isolation',
        'chroot',
        '--layers',
        '--timestamp',
        timestamp(),
        '--format',
        'docker',
      ],
      ...[...args, '--tag', name, '--file', join(PROJECT, 'Dockerfile'), PROJECT],
    ],
    log,
  );
  if (archive !== undefined) {
    rmSync(archive, { force: true });
    await run('buildah', [...common, 'push', '--quiet', name, `docker-archive:${archive}:${name}`]);
  }
  const { stdout } = await run('buildah', [
    ...common,
    'inspect',
    '--type',
    'image',
    '--format',
    '{{.FromImageID}}',
    name,
  ]);
  return stdout.trim();
}

async function withDaemon(engine: Engine, name: string, args: readonly string[]): Promise<string> {
  await stream(
    engine,
    ['build', ...args, '--tag', name, '--file', join(PROJECT, 'Dockerfile'), PROJECT],
    () => undefined,
    {
      SOURCE_DATE_EPOCH: timestamp(),
    },
  );
  return (await run(engine, ['image', 'inspect', '--format', '{{.Id}}', name])).stdout.trim();
}

/** Runs a build and tells its steps; on failure throws its last lines. */
function stream(
  command: string,
  args: readonly string[],
  log: (line: string) => void,
  env: NodeJS.ProcessEnv = {},
): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  let tail = '';
  const read = (chunk: string): void => {
    tail = (tail + chunk).slice(-4_000);
    for (const line of chunk.split('\n')) if (/^(\[\d\/\d\] )?STEP /.test(line)) log(line.slice(0, 110));
  };
  for (const out of [child.stdout, child.stderr]) out.setEncoding('utf8').on('data', read);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} build failed (exit code ${code}):\n${tail}`)),
    );
  });
}

/** What went into the image, in the shape of SLSA's provenance, for `cosign attest --type slsaprovenance1`. */
function writeProvenance(built: BuiltImage & { content: string; base: string }): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(PROJECT, 'package-lock.json')))
    .digest('hex');
  const provenance = {
    buildDefinition: {
      buildType: 'https://rejuve.io/tools/image/build@v1',
      externalParameters: {
        image: built.name,
        engine: built.engine,
        base: built.base,
        SOURCE_DATE_EPOCH: timestamp(),
      },
      resolvedDependencies: [
        { uri: 'git+file:.', digest: { gitCommit: revision() } },
        { uri: 'file:package-lock.json', digest: { sha256: lock } },
        { uri: 'file:context', digest: { contentHash: built.content } },
      ],
    },
    runDetails: {
      builder: { id: `${built.engine} ${process.version}` },
      metadata: { imageId: built.imageId },
    },
  };
  writeFileSync(join(IMAGE_OUTPUT, 'provenance.json'), `${JSON.stringify(provenance, null, 2)}\n`);
}
