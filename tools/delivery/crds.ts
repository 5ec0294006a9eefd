import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import type { KubeClient } from '../../controllers/runtime/kube-client.ts';
import { isNotFound } from '../../controllers/runtime/kube-error.ts';
import { CRDS, type CustomResourceDefinition, openCluster } from './kube.ts';

const USAGE = `Usage: node tools/delivery/crds.ts apply|delete FOLDER

apply    brings the CRDs of FOLDER into the cluster, or up to date (server-side apply), and waits until they are served
delete   removes them, unless somebody still has objects of theirs`;

/** The CRDs of a release of the chart. */
const FIELD_MANAGER = 'rejuve-platform-crds';
/** The API server establishes a CRD in well under a second. */
const ESTABLISH_MS = 30_000;

/** Why the present CRD must not be replaced by ours; undefined when it may. */
export function obstacle(
  ours: CustomResourceDefinition,
  present: CustomResourceDefinition,
): string | undefined {
  const known = new Set(ours.spec.versions.map((version) => version.name));
  const lost = (present.status?.storedVersions ?? []).filter((version) => !known.has(version));
  return lost.length === 0
    ? undefined
    : `objects are stored as ${lost.join(', ')}, which this release does not know: it is older than the CRD in the cluster. ` +
        `Upgrade to a release that has ${lost.join(', ')}, or install with crds.install=false`;
}

async function apply(client: KubeClient, ours: CustomResourceDefinition): Promise<string> {
  const name = ours.metadata?.name ?? '';
  const present = await find(client, name);
  const why = present && obstacle(ours, present);
  if (why) throw new Error(`${name}: ${why}`);
  const applied = await client.apply(CRDS, ours, { fieldManager: FIELD_MANAGER, force: true });
  const deadline = performance.now() + ESTABLISH_MS;
  for (;;) {
    const now = await client.get(CRDS, '', name);
    const condition = now.status?.conditions?.find(({ type }) => type === 'Established');
    if (condition?.status === 'True') break;
    if (performance.now() > deadline)
      throw new Error(`${name} is not established: ${condition?.message ?? 'the API server says nothing'}`);
    await sleep(200);
  }
  if (!present) return `${name}: created`;
  const same = present.metadata?.generation === applied.metadata?.generation;
  return `${name}: ${same ? 'up to date' : 'renewed'}`;
}

async function remove(client: KubeClient, ours: CustomResourceDefinition): Promise<string> {
  const name = ours.metadata?.name ?? '';
  if (!(await find(client, name))) return `${name}: not there`;
  const { group, names, versions } = ours.spec;
  const objects = await client.list(
    { group, version: versions[0]?.name ?? '', plural: names.plural, kind: names.kind, namespaced: true },
    {},
  );
  const [first] = objects.items;
  if (first) {
    return (
      `${name}: kept, because there are ${objects.items.length} objects of it, ` +
      `such as ${first.metadata?.namespace}/${first.metadata?.name}; removing it would delete them`
    );
  }
  await client.remove(CRDS, '', name);
  return `${name}: removed`;
}

async function find(client: KubeClient, name: string): Promise<CustomResourceDefinition | undefined> {
  try {
    return await client.get(CRDS, '', name);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function main(): Promise<number> {
  const [verb, folder] = process.argv.slice(2);
  if ((verb !== 'apply' && verb !== 'delete') || folder === undefined) {
    console.error(USAGE);
    return 2;
  }
  const client = openCluster();
  try {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
      const ours = parse(readFileSync(join(folder, file), 'utf8')) as CustomResourceDefinition;
      console.log(await (verb === 'apply' ? apply : remove)(client, ours));
    }
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  } finally {
    await client.close();
  }
}

if (import.meta.main) process.exitCode = await main();
