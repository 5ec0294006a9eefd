import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findOnPath } from '../../stack/parts/command.ts';
import { assembleImage, type Rootfs } from './assemble.ts';

const PROJECT = join(import.meta.dirname, '..', '..', '..');

export const NODE_BASE_IMAGE = 'localhost/rejuve-node-base:24';
export const NODE_BUILD_IMAGE = 'localhost/rejuve-node-build:24';

/** The pinned Node of package.json; the npm package puts the real program beside its own link. */
const nodeProgram = (): string => realpathSync(join(PROJECT, 'node_modules', 'node', 'bin', 'node'));

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** Where distroless images keep Node, so that the Dockerfile finds it in ours as well. */
const NODE_PATH = '/nodejs/bin/node';

function fillBase(rootfs: Rootfs): void {
  rootfs.program(nodeProgram(), NODE_PATH);
  rootfs.write(
    '/etc/passwd',
    'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n',
  );
  rootfs.write('/etc/group', 'root:x:0:\nnonroot:x:65532:\n');
  rootfs.write('/etc/nsswitch.conf', 'hosts: files dns\n');
  if (existsSync(CERTIFICATES)) rootfs.copy(CERTIFICATES, CERTIFICATES);
  // getaddrinfo loads these by name; ldd does not know.
  for (const library of resolverLibraries()) rootfs.copy(realpathSync(library), library);
  rootfs.directory('/tmp', 0o1777);
  rootfs.directory('/home/nonroot', 0o755);
}

function resolverLibraries(): string[] {
  const libc = execFileSync('ldd', [nodeProgram()], { encoding: 'utf8' }).match(/\/\S+libc\.so\.6/)?.[0];
  if (libc === undefined) return [];
  return ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2']
    .map((name) => join(dirname(libc), name))
    .filter((path) => existsSync(path));
}

/** Changes when the Node program or the C library does. */
function key(): string {
  const libc = execFileSync('ldd', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  const { size, mtimeMs } = statSync(nodeProgram());
  return JSON.stringify([process.version, process.arch, libc, size, Math.round(mtimeMs), 1]);
}

/** What runs our processes: Node, its libraries, certificates; no shell. Stands in for distroless where no registry is. */
export const nodeBaseImage = (): Promise<string> =>
  assembleImage({
    name: NODE_BASE_IMAGE,
    key: key(),
    config: { entrypoint: [NODE_PATH], user: '65532:65532', workingDir: '/home/nonroot' },
    fill: fillBase,
  });

/** What builds the image: that and npm, a shell, and the few commands that npm calls. It is not shipped. */
export const nodeBuildImage = (): Promise<string> =>
  assembleImage({
    name: NODE_BUILD_IMAGE,
    key: key(),
    config: { env: { PATH: '/nodejs/bin:/usr/bin:/bin' }, user: '0:0', workingDir: '/' },
    fill: (rootfs) => {
      fillBase(rootfs);
      for (const command of ['sh', 'env', 'cat', 'rm', 'mkdir']) {
        const file = findOnPath(command);
        if (file === undefined) throw new Error(`${command} is not on the PATH`);
        rootfs.program(file, `/bin/${command}`);
        if (command === 'env') rootfs.link('../../bin/env', '/usr/bin/env');
      }
      rootfs.copy(npmFolder(), '/nodejs/lib/node_modules/npm');
      rootfs.link('../lib/node_modules/npm/bin/npm-cli.js', '/nodejs/bin/npm');
      rootfs.directory('/root', 0o700);
    },
  });

/** This machine's npm: the one that installed the packages. */
function npmFolder(): string {
  const npm = findOnPath('npm');
  if (npm === undefined) throw new Error('npm is not on the PATH');
  return join(dirname(realpathSync(npm)), '..');
}
