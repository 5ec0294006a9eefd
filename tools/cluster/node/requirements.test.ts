import { describe, expect, it } from '@jest/globals';
import { cgroupVersion } from './cgroups.ts';
import { explainMissing, findMissing, type Machine } from './requirements.ts';

const ALL = (1n << 41n) - 1n;
const fine: Machine = {
  platform: 'linux',
  uid: 0,
  capabilities: ALL,
  mounts: 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n',
  has: () => true,
  exists: () => true,
  canIsolate: () => true,
  notBuildable: () => undefined,
};
const explain = (change: Partial<Machine>) => explainMissing(findMissing({ ...fine, ...change }));

describe('findMissing', () => {
  it('has nothing to say about a machine that can', () => {
    expect(explain({})).toBeUndefined();
  });

  it.each([
    ['another system', { platform: 'darwin' }, 'needs Linux, and this is darwin: set KUBECONFIG'],
    ['an ordinary user', { uid: 1000 }, 'needs root'],
    ['root of a container', { capabilities: ALL & ~(1n << 21n) }, 'CAP_SYS_ADMIN'],
    ['no cgroups', { mounts: '' }, 'no cgroup controllers'],
    ['read-only cgroups', { mounts: 'cgroup /sys/fs/cgroup cgroup2 ro,nosuid 0 0\n' }, 'read-only'],
    ['a sandbox', { canIsolate: () => false }, 'refuses new namespaces'],
    ['no compiler', { notBuildable: () => 'Go 1.24 or newer is needed' }, 'Go 1.24'],
  ] as [string, Partial<Machine>, string][])('explains %s', (_name, change, words) => {
    expect(explain(change)).toContain(words);
  });

  it('says all that is wrong at once, with one command for the packages', () => {
    const text = explain({ uid: 1000, has: (program) => program !== 'runc', exists: () => false });
    expect(text).toContain('needs root');
    expect(text).toContain('apt-get install --no-install-recommends containernetworking-plugins runc');
    expect(text).toContain('INSTALL=1');
  });
});

describe('cgroupVersion', () => {
  it('takes a hybrid layout for v1, where its controllers are', () => {
    const hybrid =
      'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n';
    expect(cgroupVersion(hybrid)).toBe(1);
    expect(cgroupVersion('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n')).toBe(2);
    expect(cgroupVersion('proc /proc proc rw 0 0\n')).toBeUndefined();
  });
});
