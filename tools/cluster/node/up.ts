import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Agent, fetch } from 'undici';
import { buildPrograms, missingPrograms } from '../build.ts';
import { corednsImage, pauseImage } from '../images/system-images.ts';
import { PROGRAMS, versionOf } from '../programs.ts';
import { dnsObjects, storageObjects } from './addons.ts';
import { makeCgroups } from './cgroups.ts';
import { takeDown } from './down.ts';
import { chooseNetwork, plugIn } from './network.ts';
import { NODE_PROGRAMS, type PartName, planProcesses } from './processes.ts';
import { explainMissing, findMissing, installPackages } from './requirements.ts';
import { type Files, NODE_NAME, writeSettings } from './settings.ts';
import {
  type ClusterState,
  clusterFolder,
  clusterId,
  holderLives,
  paths,
  readClusterState,
  startedAt,
  writeClusterState,
} from './state.ts';
import { createSupervisorClient } from './supervisor-client.ts';

const run = promisify(execFile);

/** Nothing here takes a quarter of this on two free cores; four busy neighbours make it slow. */
const STEP_TIMEOUT_MS = 180_000;

/** The machine cannot host a cluster; the message says all that is missing. */
export class CannotHostError extends Error {
  override readonly name = 'CannotHostError';
}

export interface UpOptions {
  /** Install missing packages with apt-get. */
  readonly install?: boolean;
  readonly log: (line: string) => void;
  readonly folder?: string;
}

/**
 * Starts the cluster of this checkout, or finds it running. What a half-dead earlier run left is taken down first.
 * Throws {@link CannotHostError} when the machine lacks something.
 */
export async function bringUp(options: UpOptions): Promise<ClusterState> {
  const { log, folder = clusterFolder() } = options;
  const known = readClusterState(folder);
  if (known && holderLives(known) && (await becomesHealthy(folder))) {
    log(`the cluster is up already (since ${known.startedAt})`);
    return known;
  }
  makeSureItCan(options);
  if (missingPrograms(NODE_PROGRAMS).length > 0)
    log(
      `building once: ${missingPrograms(NODE_PROGRAMS).join(', ')} (all of them took 14 minutes on two cold cores)`,
    );
  const programs = await buildPrograms(NODE_PROGRAMS, log);
  const [pause, coredns] = await Promise.all([pauseImage(), corednsImage(programs.coredns)]);
  if (known || existsSync(folder)) {
    log('removing what an earlier run left behind');
    await takeDown({ folder, log: () => undefined });
  }

  const network = chooseNetwork();
  const id = clusterId();
  const cgroup = `/rejuve-${id}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const files = writeSettings({ folder, network, cgroup });
  const where = paths(folder);
  writeFileSync(where.plan, JSON.stringify(planProcesses({ folder, network, files, programs }), null, 2));
  makeCgroups(cgroup);

  const holder = await holdNamespaces(folder);
  const state: ClusterState = {
    id,
    network,
    cgroup,
    holder,
    holderStarted: startedAt(holder) ?? '',
    version: versionOf(PROGRAMS['kube-apiserver']),
    startedAt: new Date().toISOString(),
  };
  // Before anything that has to be taken away again, so that a killed run can be taken down.
  writeClusterState(folder, state);
  plugIn(network, holder);
  await startParts({ folder, files, log, images: [pause, coredns] });
  await configureCluster({ folder, state, kubectl: programs.kubectl, log });
  return state;
}

/** Installs missing packages when it may. Throws {@link CannotHostError} when the machine still lacks something. */
export function makeSureItCan({ install, log }: UpOptions): void {
  let missing = findMissing();
  if (install && missing.problems.length === 0 && missing.packages.length > 0) {
    try {
      installPackages(missing.packages, log);
    } catch (error) {
      throw new CannotHostError((error as Error).message, { cause: error });
    }
    missing = findMissing();
  }
  const explanation = explainMissing(missing);
  if (explanation) throw new CannotHostError(explanation);
}

/** A busy machine answers late, and a part that was just killed is being started again: neither is a dead cluster. */
const RECOVER_MS = 45_000;

async function becomesHealthy(folder: string): Promise<boolean> {
  for (const deadline = Date.now() + RECOVER_MS; Date.now() < deadline; await sleep(500))
    if (await isHealthy(folder)) return true;
  return false;
}

async function isHealthy(folder: string): Promise<boolean> {
  const { control } = paths(folder);
  try {
    const parts = Object.values(await createSupervisorClient(control).status());
    return parts.every((part) => part.pid !== undefined) && (await apiAnswers(folder, '/readyz'));
  } catch {
    // Nobody listens: it is not up, whatever the reason.
    return false;
  }
}

/** Starts the process that owns the node's namespaces. Answers with its pid as the machine sees it. */
async function holdNamespaces(folder: string): Promise<number> {
  const log = openSync(join(folder, 'node.log'), 'a');
  const here = import.meta.dirname;
  const child = spawn(
    'unshare',
    [
      ...[
        '--mount',
        '--propagation',
        'private',
        '--pid',
        '--net',
        '--uts',
        '--ipc',
        '--fork',
        '--mount-proc',
      ],
      ...['/bin/bash', join(here, 'enter.sh'), folder, process.execPath, join(here, 'supervisor.ts')],
    ],
    // Not of our group or terminal: a Ctrl-C of make must not take the cluster along.
    { detached: true, stdio: ['ignore', log, log], cwd: '/' },
  );
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.unref();
  const { control } = paths(folder);
  for (const deadline = Date.now() + STEP_TIMEOUT_MS; ; await sleep(20)) {
    const first = childrenOf(child.pid ?? 0)[0];
    if (first !== undefined && existsSync(control)) return first;
    if (ended || Date.now() > deadline)
      throw new Error(
        `the node could not be set up:\n${readFileSync(join(folder, 'node.log'), 'utf8').trim()}`,
      );
  }
}

function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (existsSync(file)) return readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  // Kernels without CONFIG_PROC_CHILDREN.
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/stat`))
    .map(Number)
    .filter(
      (candidate) =>
        readFileSync(`/proc/${candidate}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === `${pid}`,
    );
}

async function startParts(options: {
  folder: string;
  files: Files;
  images: readonly string[];
  log: (line: string) => void;
}): Promise<void> {
  const { folder, images, log } = options;
  const where = paths(folder);
  const supervisor = createSupervisorClient(where.control);
  const start = async (...names: PartName[]) => {
    for (const name of names) await supervisor.start(name);
  };
  const waitUntil = async (what: string, part: PartName, check: () => Promise<boolean>) => {
    const began = performance.now();
    while (!(await check().catch(() => false))) {
      if (performance.now() - began > STEP_TIMEOUT_MS)
        throw new Error(
          `${what} was not reached in ${STEP_TIMEOUT_MS / 1000} s:\n${tail(join(where.logs, `${part}.log`))}`,
        );
      await sleep(100);
    }
    log(`${what} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  };
  await start('etcd', 'containerd', 'kube-apiserver');
  await Promise.all([
    waitUntil('containerd answers', 'containerd', async () => {
      await run('ctr', ['--address', where.containerd, 'version']);
      return true;
    }).then(async () => {
      for (const image of images) await importImage(image, folder);
    }),
    waitUntil('the API server is ready', 'kube-apiserver', () => apiAnswers(folder, '/readyz')),
  ]);
  await start('kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy');
}

/** Puts an image archive into the node's store. */
export async function importImage(archive: string, folder: string = clusterFolder()): Promise<void> {
  const { containerd } = paths(folder);
  await run('ctr', ['--address', containerd, '--namespace', 'k8s.io', 'images', 'import', archive]);
}

async function configureCluster(options: {
  folder: string;
  state: ClusterState;
  kubectl: string;
  log: (line: string) => void;
}): Promise<void> {
  const { folder, state, kubectl, log } = options;
  const where = paths(folder);
  const objects = {
    apiVersion: 'v1',
    kind: 'List',
    items: [...dnsObjects(state.network), ...storageObjects(where.volumes)],
  };
  const manifest = join(folder, 'addons.json');
  writeFileSync(manifest, JSON.stringify(objects));
  const kube = (...args: string[]) => run(kubectl, ['--kubeconfig', where.kubeconfig, ...args]);
  const began = performance.now();
  await kube('apply', '--server-side', '-f', manifest);
  const timeout = `--timeout=${STEP_TIMEOUT_MS / 1000}s`;
  await waitForNode(kube);
  await kube('wait', '--for=condition=Ready', `node/${NODE_NAME}`, timeout);
  log(`the node is ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await kube('-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', timeout);
  log(`DNS answers after ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

/** `kubectl wait` fails at once for an object that does not exist yet. */
async function waitForNode(kube: (...args: string[]) => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + STEP_TIMEOUT_MS; ; await sleep(200)) {
    try {
      await kube('get', 'node', NODE_NAME);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

let agent: { folder: string; agent: Agent } | undefined;

/** True when the API server answers 200 at `path`, asked as the administrator. */
async function apiAnswers(folder: string, path: string): Promise<boolean> {
  const config = JSON.parse(readFileSync(paths(folder).kubeconfig, 'utf8'));
  const text = (base64: string) => Buffer.from(base64, 'base64').toString();
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  if (agent?.folder !== folder) {
    agent = {
      folder,
      agent: new Agent({
        connect: {
          ca: text(cluster['certificate-authority-data']),
          cert: text(user['client-certificate-data']),
          key: text(user['client-key-data']),
        },
      }),
    };
  }
  const answer = await fetch(`${cluster.server}${path}`, {
    dispatcher: agent.agent,
    signal: AbortSignal.timeout(5_000),
  });
  await answer.body?.cancel();
  return answer.ok;
}

const tail = (file: string): string =>
  existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').slice(-15).join('\n') : '(no log)';
