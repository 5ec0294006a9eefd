import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a cgroup tree is mounted: one per controller (v1), or one for all (v2). */
function hierarchies(mounts: string = readFileSync('/proc/mounts', 'utf8')): string[] {
  return mounts.split('\n').flatMap((line) => {
    const [, folder = '', type = ''] = line.split(' ');
    return type === 'cgroup' || type === 'cgroup2' ? [folder] : [];
  });
}

export type CgroupVersion = 1 | 2;

/** Which version kubelet and runc will use; undefined when no controller is mounted at all. */
export function cgroupVersion(
  mounts: string = readFileSync('/proc/mounts', 'utf8'),
): CgroupVersion | undefined {
  const rows = mounts.split('\n').map((line) => line.split(' '));
  // systemd's hybrid layout has both; the controllers, and so the kubelet, are on v1 then.
  if (rows.some(([, folder, type]) => type === 'cgroup' && folder?.endsWith('/memory'))) return 1;
  if (rows.some(([, folder, type]) => type === 'cgroup2' && folder === '/sys/fs/cgroup')) return 2;
  return undefined;
}

/**
 * CPU weight of all pods together, as times that of one process. Where nothing else is in a cgroup (CI machines
 * without systemd) every process outside counts as much as the whole tree inside: a dozen pods would share what one
 * compiler gets, and time out.
 */
const CPU_WEIGHT = 20;

/** Makes the cgroup under which the kubelet keeps all of its pods, in every tree. `root` is like `/rejuve-ab12cd34`. */
export function makeCgroups(root: string): void {
  for (const tree of hierarchies()) {
    mkdirSync(join(tree, root), { recursive: true });
    for (const [file, one] of [
      ['cpu.shares', 1024],
      ['cpu.weight', 100],
    ] as const)
      if (existsSync(join(tree, root, file))) writeFileSync(join(tree, root, file), String(one * CPU_WEIGHT));
  }
}

/** Our cgroups that still exist, in every tree. */
export const cgroupsOf = (root: string): string[] =>
  hierarchies()
    .map((tree) => join(tree, root))
    .filter((folder) => existsSync(folder));

/** Removes that cgroup with all below. The processes in it must have ended. */
export function removeCgroups(root: string): void {
  for (const folder of cgroupsOf(root)) removeTree(folder);
}

function removeTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  rmdirSync(folder);
}
