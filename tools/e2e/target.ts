import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { buildPrograms } from '../cluster/build.ts';
import { developmentImages } from '../cluster/images/development-images.ts';
import { clusterFolder, paths, readClusterState } from '../cluster/node/state.ts';
import { createSupervisorClient } from '../cluster/node/supervisor-client.ts';
import { bringUp, importImage, makeSureItCan } from '../cluster/node/up.ts';
import type { BuiltImage } from '../image/build.ts';
import { freePort } from '../stack/parts/free-port.ts';

const run = promisify(execFile);

/** How the image gets to the nodes of a cluster that is not ours. */
export type ImageRoute =
  | { readonly kind: 'registry'; readonly registry: string }
  | { readonly kind: 'kind'; readonly cluster: string };

/** The cluster that deploy and e2e work on: ours, or the reader's by KUBECONFIG. */
export interface Target {
  readonly kind: 'own' | 'given';
  readonly kubeconfig: string;
  readonly kubectl: string;
  readonly helm: string;
  /** Repository under which the image is built, and the chart's values for it. */
  readonly repository: string;
  /** Makes the image known to the nodes. Answers with the chart's values for it and for the development parts. */
  provideImages(image: BuiltImage): Promise<Record<string, string>>;
  /** A URL that leads to a Service: its own address where this machine has a way there, else a port-forward. */
  reach(namespace: string, service: string, port: number): Promise<string>;
  /** Ends a part of the node, which comes back by itself; undefined where the cluster is not ours. */
  readonly restartPart: ((name: string, signal: NodeJS.Signals) => Promise<void>) | undefined;
  /** Ends the port-forwards. */
  close(): void;
}

/** What was asked for cannot be done here; the message says what to set. */
export class TargetError extends Error {
  override readonly name = 'TargetError';
}

/** Reads IMAGE_REGISTRY: `ghcr.io/you`, or `kind` and `kind:NAME` for a kind cluster. */
export function imageRoute(value: string | undefined): ImageRoute {
  if (!value)
    throw new TargetError(
      'KUBECONFIG names a cluster of yours: set IMAGE_REGISTRY as well, to a registry that its nodes pull from ' +
        '(IMAGE_REGISTRY=ghcr.io/you) or to kind (IMAGE_REGISTRY=kind, or kind:NAME)',
    );
  if (value === 'kind' || value.startsWith('kind:'))
    return { kind: 'kind', cluster: value.slice(5) || 'kind' };
  if (!/^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._/-]+)?$/.test(value))
    throw new TargetError(`IMAGE_REGISTRY must look like ghcr.io/you or kind:NAME, not "${value}"`);
  return { kind: 'registry', registry: value };
}

/** Opens the cluster of KUBECONFIG, else the one of this machine, which is started when it does not run. */
export async function openTarget(env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<Target> {
  const own = paths(clusterFolder()).kubeconfig;
  const isGiven = env.KUBECONFIG !== undefined && env.KUBECONFIG !== '' && env.KUBECONFIG !== own;
  // Before programs are built for minutes.
  if (!isGiven) makeSureItCan({ log, install: env.INSTALL === '1' });
  const programs = await buildPrograms(['kubectl', 'helm'], log);
  if (isGiven && env.KUBECONFIG) return givenTarget(env.KUBECONFIG, imageRoute(env.IMAGE_REGISTRY), programs);
  await bringUp({ log, install: env.INSTALL === '1' });
  return ownTarget(own, programs, log);
}

type Programs = { kubectl: string; helm: string };

function ownTarget(kubeconfig: string, programs: Programs, log: (line: string) => void): Target {
  const supervisor = createSupervisorClient(paths(clusterFolder()).control);
  const loaded = new Set<string>();
  return {
    kind: 'own',
    kubeconfig,
    kubectl: programs.kubectl,
    helm: programs.helm,
    repository: 'localhost/rejuve-platform',
    async provideImages(image) {
      if (image.archive === undefined)
        throw new TargetError('the node takes images as archives: build with buildah (IMAGE_ENGINE=buildah)');
      const parts = await developmentImages();
      const present = await imagesOnNode();
      const wanted = [
        { name: image.name, archive: image.archive },
        ...parts.map((part) => ({ name: `${part.repository}:${part.tag}`, archive: part.archive })),
      ].filter(({ name }) => !present.has(name) && !loaded.has(name));
      for (const { name, archive } of wanted) {
        await importImage(archive);
        loaded.add(name);
        log(`loaded ${name}`);
      }
      return {
        ...imageValues(image.name),
        ...Object.fromEntries(
          parts.flatMap(({ part, repository, tag }) => [
            [`embedded.${part}.image.repository`, repository],
            [`embedded.${part}.image.tag`, tag],
          ]),
        ),
      };
    },
    async reach(namespace, service, port) {
      const { stdout } = await run(programs.kubectl, [
        ...['--kubeconfig', kubeconfig, '-n', namespace, 'get', 'service', service],
        ...['-o', 'jsonpath={.spec.clusterIP}'],
      ]);
      return `http://${stdout.trim()}:${port}`;
    },
    restartPart: (name, signal) => supervisor.signal(name, signal),
    close: () => undefined,
  };
}

async function imagesOnNode(): Promise<Set<string>> {
  if (!readClusterState()) return new Set();
  const { stdout } = await run('ctr', [
    ...['--address', paths(clusterFolder()).containerd, '--namespace', 'k8s.io', 'images', 'list', '--quiet'],
  ]);
  return new Set(stdout.split('\n'));
}

/** The chart's values for an image `host/path:tag`. */
export function imageValues(name: string): Record<string, string> {
  const tagAt = name.lastIndexOf(':');
  const path = name.slice(0, tagAt);
  const slash = path.indexOf('/');
  return {
    'image.registry': path.slice(0, slash),
    'image.repository': path.slice(slash + 1),
    'image.tag': name.slice(tagAt + 1),
  };
}

function givenTarget(kubeconfig: string, route: ImageRoute, programs: Programs): Target {
  const forwards = new Map<string, { url: string; end: () => void }>();
  return {
    kind: 'given',
    kubeconfig,
    kubectl: programs.kubectl,
    helm: programs.helm,
    repository: route.kind === 'registry' ? `${route.registry}/rejuve-platform` : 'localhost/rejuve-platform',
    async provideImages(image) {
      if (route.kind === 'registry') await push(image);
      else if (image.archive)
        await run('kind', ['load', 'image-archive', image.archive, '--name', route.cluster]);
      else await run('kind', ['load', 'docker-image', image.name, '--name', route.cluster]);
      return imageValues(image.name);
    },
    async reach(namespace, service, port) {
      const key = `${namespace}/${service}:${port}`;
      const known = forwards.get(key);
      if (known) return known.url;
      const forward = await startForward(programs.kubectl, kubeconfig, namespace, service, port);
      forwards.set(key, forward);
      return forward.url;
    },
    restartPart: undefined,
    close: () => {
      for (const forward of forwards.values()) forward.end();
    },
  };
}

async function push(image: BuiltImage): Promise<void> {
  if (image.engine !== 'buildah') {
    await run(image.engine, ['push', image.name]);
    return;
  }
  if (!image.archive || !existsSync(image.archive))
    throw new TargetError(`the archive of ${image.name} is gone: make image`);
  await run('buildah', ['push', `docker-archive:${image.archive}`, `docker://${image.name}`]);
}

/** `kubectl port-forward` that comes back when its pod goes away. */
async function startForward(
  kubectl: string,
  kubeconfig: string,
  namespace: string,
  service: string,
  port: number,
) {
  const local = await freePort();
  let ended = false;
  const start = () => {
    const child = spawn(
      kubectl,
      ['--kubeconfig', kubeconfig, '-n', namespace, 'port-forward', `service/${service}`, `${local}:${port}`],
      { stdio: 'ignore' },
    );
    child.once('exit', () => {
      if (!ended) setTimeout(() => (current = start()), 200);
    });
    return child;
  };
  let current = start();
  return {
    url: `http://127.0.0.1:${local}`,
    end: () => {
      ended = true;
      current.kill();
    },
  };
}
