import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { PAUSE_IMAGE } from '../node/settings.ts';
import { PROGRAMS, versionOf } from '../programs.ts';
import { assembleImage } from './assemble.ts';

const PAUSE = join(import.meta.dirname, '..', 'pause');

export const COREDNS_IMAGE = `localhost/coredns:${versionOf(PROGRAMS.coredns)}`;

/** The image that holds a pod's namespaces. */
export function pauseImage(): Promise<string> {
  return assembleImage({
    name: PAUSE_IMAGE,
    key: createHash('sha256')
      .update(readFileSync(join(PAUSE, 'main.go')))
      .digest('hex'),
    config: { entrypoint: ['/pause'], user: '65535:65535' },
    fill: (rootfs) => {
      const folder = mkdtempSync(join(tmpdir(), 'rejuve-pause-'));
      try {
        execFileSync('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', join(folder, 'pause'), '.'], {
          cwd: PAUSE,
          env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
        });
        rootfs.program(join(folder, 'pause'), '/pause');
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  });
}

/** DNS of the cluster. */
export function corednsImage(program: string): Promise<string> {
  return assembleImage({
    name: COREDNS_IMAGE,
    key: basename(dirname(program)),
    config: { entrypoint: ['/coredns'], user: '65532:65532' },
    fill: (rootfs) => rootfs.program(program, '/coredns'),
  });
}
