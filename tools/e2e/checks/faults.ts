import { setTimeout as sleep } from 'node:timers/promises';
import { type Check, CheckFailure, expectThat, seconds } from '../check.ts';
import type { Release } from '../release.ts';

export interface PodList {
  readonly items: readonly {
    readonly metadata: {
      readonly name: string;
      readonly uid: string;
      readonly deletionTimestamp?: string;
      readonly labels: Readonly<Record<string, string>>;
    };
    readonly status: {
      readonly conditions?: readonly { readonly type: string; readonly status: string }[];
      readonly containerStatuses?: readonly { readonly restartCount: number }[];
    };
  }[];
}

const restartsOf = (status: PodList['items'][number]['status'] | undefined): number =>
  status?.containerStatuses?.[0]?.restartCount ?? 0;

const isReady = (pod: PodList['items'][number]): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod.status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');

export const podsOf = async (release: Release, component: string): Promise<PodList['items']> =>
  (
    await release.get<PodList>(
      'pods',
      ...['-l', `app.kubernetes.io/instance=${release.name},app.kubernetes.io/component=${component}`],
    )
  ).items;

const RECOVER_MS = 180_000;

/** Waits until a component has `count` ready pods, none of them on its way out. */
async function untilReady(release: Release, component: string, count: number): Promise<void> {
  for (const deadline = Date.now() + RECOVER_MS; ; await sleep(500)) {
    const pods = await podsOf(release, component).catch(() => []);
    if (pods.filter(isReady).length >= count) return;
    if (Date.now() > deadline)
      throw new CheckFailure(`expected ${count} ready pods of ${component} after ${RECOVER_MS / 1000} s`);
  }
}

/** How long the provider is away: long enough for breakers to open and close again. */
const OUTAGE_MS = 12_000;

export const providerCheck: Check = {
  id: 'provider-killed',
  title: 'A provider is killed under load',
  needs: ['install'],
  async run({ release, underLoad }) {
    const workload = `deployment/${release.name}-provider-alpha`;
    const load = await underLoad(async () => {
      try {
        await release.kubectl('scale', workload, '--replicas=0');
        await release.kubectl(
          'delete',
          'pod',
          '-l',
          'provider=alpha',
          '--grace-period=0',
          '--force',
          '--ignore-not-found',
        );
        await sleep(OUTAGE_MS);
      } finally {
        await release.kubectl('scale', workload, '--replicas=1');
      }
      await release.kubectl('rollout', 'status', workload, '--timeout=180s');
    });
    return `alpha was killed for ${OUTAGE_MS / 1000} s: ${load.text}`;
  },
};

export const nodePartsCheck: Check = {
  id: 'node-restarts',
  title: 'kubelet, API server, kube-proxy and containerd are killed under load',
  needs: ['install'],
  ownNodeOnly: true,
  async run({ release, target, underLoad }) {
    const restart = target.restartPart;
    if (!restart) throw new CheckFailure('no way to restart parts of the node');
    const before = await release.get<PodList>('pods');
    const load = await underLoad(async () => {
      for (const part of ['kube-apiserver', 'kubelet', 'kube-proxy', 'containerd']) {
        await restart(part, 'SIGKILL');
        await untilAnswers(release);
        await sleep(2_000);
      }
      await release.kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s');
    });
    const after = await release.get<PodList>('pods');
    const restarted = after.items.filter(
      ({ metadata, status }) =>
        restartsOf(status) >
        restartsOf(before.items.find((pod) => pod.metadata.uid === metadata.uid)?.status),
    );
    // A controller that could not renew its lease leaves and starts clean, on purpose.
    const wrongly = restarted.filter(
      ({ metadata }) => metadata.labels['app.kubernetes.io/component'] !== 'controller',
    );
    expectThat(
      wrongly.length === 0,
      'no container but the controller to be restarted',
      wrongly.map(({ metadata }) => metadata.name),
    );
    return `each killed with -9 and back by itself, no serving pod restarted: ${load.text}`;
  },
};

async function untilAnswers(release: Release): Promise<void> {
  for (const deadline = Date.now() + RECOVER_MS; ; await sleep(300)) {
    try {
      await release.kubectl('get', '--raw', '/readyz');
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

const EVICTED = ['gateway', 'api', 'user', 'transactions', 'indexer', 'controller'] as const;

export const evictionCheck: Check = {
  id: 'evictions',
  title: 'Every pod is evicted under load, as when a node is drained',
  needs: ['install'],
  async run({ release, underLoad }) {
    let evicted = 0;
    const from = performance.now();
    const load = await underLoad(async () => {
      for (const component of EVICTED) {
        const pods = await podsOf(release, component);
        for (const { metadata } of pods) {
          await evict(release, metadata.name);
          evicted += 1;
          await untilGone(release, component, metadata.uid);
          await untilReady(release, component, pods.length);
        }
      }
    });
    return `${evicted} pods of ${EVICTED.length} parts evicted in ${seconds(from)}: ${load.text}`;
  },
};

/** Asks for an eviction, which a disruption budget may put off for a while (429). */
async function evict(release: Release, pod: string): Promise<void> {
  const path = `/api/v1/namespaces/${release.namespace}/pods/${pod}/eviction`;
  const body = JSON.stringify({
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: pod, namespace: release.namespace },
  });
  for (const deadline = Date.now() + RECOVER_MS; ; await sleep(1_000)) {
    try {
      await release.create(path, body);
      return;
    } catch (error) {
      if (!/disruption budget/.test((error as Error).message) || Date.now() > deadline) throw error;
    }
  }
}

async function untilGone(release: Release, component: string, uid: string): Promise<void> {
  for (const deadline = Date.now() + RECOVER_MS; ; await sleep(300)) {
    const pods = await podsOf(release, component);
    if (!pods.some(({ metadata }) => metadata.uid === uid)) return;
    if (Date.now() > deadline) throw new CheckFailure(`expected an evicted pod of ${component} to end`);
  }
}
