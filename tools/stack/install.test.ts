import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/** A project of its own with a PATH of its own, on which `node` and `npm` are scripts of the test. */
let project: string;
let bin: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'rejuve-install-'));
  bin = join(project, 'machine');
  mkdirSync(join(project, 'tools', 'stack'), { recursive: true });
  mkdirSync(bin);
  copyFileSync(join(import.meta.dirname, 'install.sh'), join(project, 'tools/stack/install.sh'));
  chmodSync(join(project, 'tools/stack/install.sh'), 0o755);
  writeFileSync(join(project, 'package.json'), '{}');
  writeFileSync(join(project, 'package-lock.json'), '{"lockfileVersion": 3}');
  for (const tool of ['dirname', 'cksum', 'cat', 'sed', 'date', 'rm', 'uname', 'sleep']) {
    const found = ['/usr/bin', '/bin'].map((dir) => join(dir, tool)).find((file) => existsSync(file));
    script(tool, `exec ${found} "$@"`);
  }
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

function script(name: string, body: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

/** An npm that leaves what the real one leaves, and notes how it was called. */
const WORKING_NPM = `
echo "$*" >> npm-calls
/bin/mkdir -p node_modules/.bin
printf '#!/bin/sh\\necho v24.0.0\\n' > node_modules/.bin/node
/bin/chmod +x node_modules/.bin/node`;

const calls = (): string[] =>
  existsSync(join(project, 'npm-calls'))
    ? readFileSync(join(project, 'npm-calls'), 'utf8').trim().split('\n')
    : [];

function install(): { code: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(join(project, 'tools/stack/install.sh'), {
    env: { PATH: bin },
    encoding: 'utf8',
  });
  return { code: status, output: stdout + stderr };
}

describe('install.sh', () => {
  it('says what to install where there is no Node', () => {
    const { code, output } = install();
    expect(code).toBe(1);
    expect(output).toContain('There is no Node.js on this machine');
    expect(output).toContain('https://nodejs.org');
  });

  it('says how old the Node is when it is too old', () => {
    script('node', 'echo v12.22.9');
    script('npm', WORKING_NPM);
    const { code, output } = install();
    expect(code).toBe(1);
    expect(output).toContain('too old to install the project: v12.22.9');
    expect(output).toContain('Install Node 18 or newer');
    expect(calls()).toEqual([]);
  });

  it('says where npm comes from when it is missing', () => {
    script('node', 'echo v20.1.0');
    const { code, output } = install();
    expect(code).toBe(1);
    expect(output).toContain('There is no npm beside Node v20.1.0');
  });

  it('shows what npm said when it fails, and succeeds the next time', () => {
    script('node', 'echo v20.1.0');
    script('npm', 'echo "npm error network ENOTFOUND" >&2; exit 1');
    const failed = install();
    expect(failed.code).toBe(1);
    expect(failed.output).toContain('npm error network ENOTFOUND');
    expect(failed.output).toContain('check the network');
    script('npm', WORKING_NPM);
    expect(install().code).toBe(0);
  });

  it('says so when the Node that was installed does not run', () => {
    script('node', 'echo v20.1.0');
    script('npm', 'echo ok');
    const { code, output } = install();
    expect(code).toBe(1);
    expect(output).toContain('node_modules/.bin/node does not run');
    expect(output).toContain('ignore-scripts');
  });

  it('installs cleanly once, does nothing afterwards, and follows a changed lockfile gently', () => {
    script('node', 'echo v20.1.0');
    script('npm', WORKING_NPM);
    const first = install();
    expect(first.output).toMatch(/Packages installed in \d+ s; Node v24/);
    expect(calls()).toEqual([expect.stringMatching(/^ci /)]);
    expect(install()).toEqual({ code: 0, output: '' });
    expect(calls()).toHaveLength(1);

    writeFileSync(join(project, 'package-lock.json'), '{"lockfileVersion": 3, "changed": true}');
    expect(install().code).toBe(0);
    expect(calls()[1]).toMatch(/^install /);
  });

  it('does nothing when somebody ran npm themselves after the lockfile changed', () => {
    script('node', 'echo v20.1.0');
    script('npm', WORKING_NPM);
    install();
    writeFileSync(join(project, 'package-lock.json'), '{"lockfileVersion": 3, "changed": true}');
    writeFileSync(join(project, 'node_modules/.package-lock.json'), '{}');
    const later = new Date(Date.now() + 5_000);
    utimesSync(join(project, 'node_modules/.package-lock.json'), later, later);
    expect(install()).toEqual({ code: 0, output: '' });
    expect(calls()).toHaveLength(1);
  });

  it('needs no Node of the machine once all is installed', () => {
    script('node', 'echo v20.1.0');
    script('npm', WORKING_NPM);
    install();
    rmSync(join(bin, 'node'));
    expect(install()).toEqual({ code: 0, output: '' });
  });
});
