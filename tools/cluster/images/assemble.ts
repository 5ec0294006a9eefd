import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheFolder } from '../build.ts';

/** What an image says about how it is run. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workingDir?: string;
  readonly exposedPorts?: readonly string[];
}

/** A folder that becomes the only layer of an image `FROM scratch`. */
export interface Rootfs {
  readonly folder: string;
  /** Copies a program to `to`, and the shared libraries it needs to where it looks for them. */
  program(file: string, to: string): void;
  /** Copies a file or a folder with all below. */
  copy(from: string, to: string): void;
  /** Copies a library to its own path, or into `folder` of the image, unless it is there. */
  copyOnce(file: string, folder?: string): void;
  write(path: string, content: string, mode?: number): void;
  link(target: string, path: string): void;
  directory(path: string, mode?: number): void;
}

/** Shared libraries of a program, by the paths under which the loader looks for them. */
export function librariesOf(file: string, libraryPath = ''): string[] {
  let text: string;
  try {
    text = execFileSync('ldd', [file], {
      encoding: 'utf8',
      env: { ...process.env, LD_LIBRARY_PATH: libraryPath },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    // ldd's way of saying: linked statically, needs none.
    if (/not a dynamic executable/.test(String((error as { stderr?: string }).stderr))) return [];
    throw error;
  }
  const missing = /^\s*(\S+) => not found/m.exec(text)?.[1];
  if (missing) throw new Error(`${file} needs ${missing}, which this machine does not have`);
  return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] as string);
}

function createRootfs(folder: string): Rootfs {
  const at = (path: string): string => {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    return target;
  };
  const copyOnce: Rootfs['copyOnce'] = (file, folderInside) => {
    // The loader itself is looked for at one place only.
    const keepsPath = folderInside === undefined || basename(file).startsWith('ld-linux');
    const target = at(keepsPath ? file : join(folderInside, basename(file)));
    if (existsSync(target)) return;
    copyFileSync(realpathSync(file), target);
    chmodSync(target, 0o755);
  };
  return {
    folder,
    copyOnce,
    program(file, to) {
      const real = realpathSync(file);
      copyFileSync(real, at(to));
      chmodSync(at(to), 0o755);
      for (const library of librariesOf(real)) copyOnce(library);
    },
    copy: (from, to) =>
      // A file that is a link is copied as what it leads to; links inside a folder stay links.
      statSync(from).isDirectory()
        ? cpSync(from, at(to), { recursive: true, verbatimSymlinks: true })
        : copyFileSync(from, at(to)),
    write: (path, content, mode = 0o644) => {
      writeFileSync(at(path), content);
      chmodSync(at(path), mode);
    },
    link: (target, path) => symlinkSync(target, at(path)),
    directory: (path, mode = 0o755) => {
      mkdirSync(at(path), { recursive: true });
      chmodSync(at(path), mode);
    },
  };
}

/** Every archive that we make says the same time, so that the same content is the same image. */
const TAR = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/**
 * Makes an image without a container engine or a registry: one layer, in the archive format that docker, podman,
 * buildah, containerd and kind load. Kept in the cache under `key`, which must change whenever the content would.
 * Returns the file.
 */
export async function assembleImage(options: {
  /** `localhost/pause:3` */
  name: string;
  key: string;
  config: ImageConfig;
  fill: (rootfs: Rootfs) => void | Promise<void>;
}): Promise<string> {
  const { name, key, config } = options;
  const hash = createHash('sha256')
    .update(JSON.stringify([name, key, config]))
    .digest('hex')
    .slice(0, 12);
  const file = join(cacheFolder(), 'images', `${name.replace(/[^a-z0-9.]+/gi, '-')}-${hash}.tar`);
  if (existsSync(file)) return file;
  mkdirSync(dirname(file), { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'rejuve-image-'));
  try {
    const rootfs = join(work, 'rootfs');
    mkdirSync(rootfs, { mode: 0o755 });
    await options.fill(createRootfs(rootfs));
    execFileSync('tar', [...TAR, '-cf', join(work, 'layer.tar'), '-C', rootfs, '.']);
    rmSync(rootfs, { recursive: true });
    const configText = JSON.stringify({
      architecture: { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch,
      os: 'linux',
      created: new Date(0).toISOString(),
      config: {
        ...(config.entrypoint && { Entrypoint: config.entrypoint }),
        ...(config.command && { Cmd: config.command }),
        ...(config.user && { User: config.user }),
        ...(config.workingDir && { WorkingDir: config.workingDir }),
        ...(config.exposedPorts && {
          ExposedPorts: Object.fromEntries(config.exposedPorts.map((port) => [port, {}])),
        }),
        Env: Object.entries({
          PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          ...config.env,
        }).map(([variable, value]) => `${variable}=${value}`),
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${await sha256(join(work, 'layer.tar'))}`] },
      history: [{ created: new Date(0).toISOString(), created_by: 'tools/cluster/images/assemble.ts' }],
    });
    const configName = `${createHash('sha256').update(configText).digest('hex')}.json`;
    writeFileSync(join(work, configName), configText);
    writeFileSync(
      join(work, 'manifest.json'),
      JSON.stringify([{ Config: configName, RepoTags: [name], Layers: ['layer.tar'] }]),
    );
    const part = `${file}.${process.pid}.part`;
    execFileSync('tar', [...TAR, '-cf', part, '-C', work, 'manifest.json', configName, 'layer.tar']);
    renameSync(part, file);
    return file;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Size of a file in MB, for people. */
export const megabytes = (file: string): string => `${Math.round(statSync(file).size / 1e6)} MB`;
