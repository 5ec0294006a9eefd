import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Rootfs } from './assemble.ts';

const HELPERS = join(import.meta.dirname, '..', 'helpers');

/** Changes when the source of a helper does. */
export const helperKey = (name: string): string =>
  createHash('sha256')
    .update(readFileSync(join(HELPERS, name, 'main.go')))
    .digest('hex');

/** Compiles one of our small Go programs into an image. */
export function addHelper(rootfs: Rootfs, name: string, to: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'rejuve-helper-'));
  try {
    execFileSync('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', join(folder, name), `./${name}`], {
      cwd: HELPERS,
      env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
    });
    rootfs.program(join(folder, name), to);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
