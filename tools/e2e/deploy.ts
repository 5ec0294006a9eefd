import { setTimeout as sleep } from 'node:timers/promises';
import { CannotHostError } from '../cluster/node/up.ts';
import { buildImage } from '../image/build.ts';
import { CommandError, createRelease, type Release } from './release.ts';
import { openTarget, type Target, TargetError } from './target.ts';

export const DEFAULT_NAMESPACE = 'rejuve';
export const DEFAULT_RELEASE = 'rejuve';

/** Builds the image, brings it to the nodes, and answers with the values that name it. */
export async function prepareImages(
  target: Target,
  log: (line: string) => void,
): Promise<Record<string, string>> {
  const image = await buildImage({
    repository: target.repository,
    log,
    // Our node loads archives, which a daemon does not leave behind.
    ...(target.kind === 'own' && { engine: 'buildah' as const }),
  });
  log(`${image.name}: ${(image.bytes / 1e6).toFixed(0)} MB${image.cached ? '' : ` in ${image.seconds} s`}`);
  return await target.provideImages(image);
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string };
    readonly status: {
      readonly phase: string;
      readonly containerStatuses?: readonly {
        readonly ready: boolean;
        readonly restartCount: number;
        readonly state: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
      }[];
    };
  }[];
}

/** Why a release does not get ready: its pods that are not, with the last lines of their logs. */
export async function explainPods(release: Release): Promise<string> {
  const { items } = await release.get<PodList>('pods');
  const troubled = items.filter(
    ({ status }) =>
      status.phase !== 'Succeeded' && !(status.containerStatuses ?? []).every(({ ready }) => ready),
  );
  const parts = await Promise.all(
    troubled.slice(0, 8).map(async ({ metadata, status }) => {
      const waiting = status.containerStatuses?.[0]?.state.waiting;
      const logs = await release.kubectl('logs', metadata.name, '--tail=5').catch(() => '');
      const why = [status.phase, waiting?.reason, waiting?.message].filter(Boolean).join(' ');
      return `  ${metadata.name}: ${why}\n${logs.replace(/^/gm, '      ').trimEnd()}`;
    }),
  );
  return parts.join('\n');
}

/** A pod that ended this often will not get ready by waiting: the timeout of Helm is minutes away. */
const HOPELESS_RESTARTS = 6;
const WATCH_MS = 5_000;

/**
 * Installs or upgrades, and gives up early when a pod keeps ending. Throws a {@link CommandError} that says why
 * things are not ready.
 */
export async function installWatched(
  release: Release,
  values: Readonly<Record<string, string>>,
  more: readonly string[] = [],
): Promise<void> {
  const abort = new AbortController();
  const installed = release.install(values, more, abort.signal).finally(() => abort.abort());
  // Its failure is told below; without this it would count as unhandled while we look at the pods.
  installed.catch(() => undefined);
  try {
    while (!abort.signal.aborted) {
      await sleep(WATCH_MS, undefined, { signal: abort.signal }).catch(() => undefined);
      if (abort.signal.aborted) break;
      const pods = await release.get<PodList>('pods').catch(() => ({ items: [] }) as PodList);
      const hopeless = pods.items.find((pod) =>
        (pod.status.containerStatuses ?? []).some((c) => !c.ready && c.restartCount >= HOPELESS_RESTARTS),
      );
      if (hopeless) abort.abort(new CommandError(`${hopeless.metadata.name} keeps ending`));
    }
    await installed;
  } catch (error) {
    const why = abort.signal.reason instanceof CommandError ? abort.signal.reason : (error as Error);
    throw new CommandError(`${why.message}\n${await explainPods(release).catch(() => '')}`, { cause: error });
  }
}

export const SERVICES = [
  ['api', 4100, 'the public API, its documentation at /docs'],
  ['user', 4200, 'sign-in, inbox, ledger'],
  ['gateway', 4000, 'JSON-RPC at /rpc/31337'],
  ['console', 4400, 'the web front'],
] as const;

async function main(): Promise<number> {
  const from = performance.now();
  const log = (line: string): void =>
    console.log(`${((performance.now() - from) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  const target = await openTarget(process.env, log);
  const namespace = process.env.NAMESPACE || DEFAULT_NAMESPACE;
  const release = createRelease({ target, namespace, name: process.env.RELEASE || DEFAULT_RELEASE });
  const values = await prepareImages(target, log);
  log(`helm upgrade --install ${release.name} (namespace ${namespace})`);
  try {
    await installWatched(release, values, process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(error.message);
    return 1;
  }
  log('everything is ready');
  console.log();
  const services = await release.get<{ items: { metadata: { name: string } }[] }>('services');
  for (const [part, port, what] of SERVICES) {
    if (!services.items.some(({ metadata }) => metadata.name === `${release.name}-${part}`)) continue;
    const where =
      target.kind === 'own'
        ? await release.url(part, port)
        : `kubectl -n ${namespace} port-forward service/${release.name}-${part} ${port}`;
    console.log(`  ${part.padEnd(8)} ${where.padEnd(30)} ${what}`);
  }
  if (target.kind === 'own') console.log(`\n  export KUBECONFIG=${target.kubeconfig}`);
  console.log(
    `  helm test ${release.name} -n ${namespace}      node tools/cluster/main.ts helm … where you have no helm\n`,
  );
  target.close();
  return 0;
}

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof TargetError || error instanceof CannotHostError)) throw error;
    console.error(error.message);
    process.exitCode = error instanceof CannotHostError ? 3 : 2;
  }
}
