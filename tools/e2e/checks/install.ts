import { join } from 'node:path';
import { type Check, CheckFailure, type Context, expectThat, seconds } from '../check.ts';
import { installWatched } from '../deploy.ts';
import { CHART, CommandError } from '../release.ts';

/** How a refused installation was explained; throws when it was not refused. */
async function refusal({ release }: Context, ...args: string[]): Promise<string> {
  try {
    await release.helm(
      'install',
      'refused',
      CHART,
      '--dry-run=server',
      '--values',
      join(CHART, 'values-dev.yaml'),
      ...args,
    );
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
  throw new CheckFailure(`expected helm to refuse ${args.join(' ')}; seen: it accepted`);
}

export const refusalsCheck: Check = {
  id: 'refusals',
  title: 'Bad input is refused with a clear sentence, before anything starts',
  // The CRDs must be known to the API server, which is asked about names of 53 characters too.
  needs: ['install'],
  async run(context) {
    // The last of two namespaces is the one that counts.
    const elsewhere = ['--namespace', 'default'];
    const cases: [string, string[], RegExp][] = [
      ['a mistyped name', [...elsewhere, '--set', 'gateway.replica=2'], /replica/],
      ['a word for a number', [...elsewhere, '--set', 'gateway.replicas=two'], /replicas/],
      ['a second release in the namespace', [], /already runs a controller/],
      [
        'a missing secret',
        [...elsewhere, '--set', 'secrets.generate=false,secrets.existingSecret=is-not-there'],
        /is-not-there/,
      ],
    ];
    const said: string[] = [];
    for (const [what, args, words] of cases) {
      const sentence = await refusal(context, ...args);
      expectThat(words.test(sentence), `${what} to be named`, sentence.slice(-400));
      said.push(`${what}: “${sentence.trim().split('\n').at(-1)?.slice(-140)}”`);
    }
    const long = 'r'.repeat(53);
    await context.release.helm(
      'install',
      long,
      CHART,
      ...elsewhere,
      '--dry-run=server',
      '--values',
      join(CHART, 'values-dev.yaml'),
    );
    return `${said.join('; ')}; a release name of 53 characters is accepted by the API server`;
  },
};

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly namespace: string };
    readonly status: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
  }[];
}

export const installCheck: Check = {
  id: 'install',
  title: 'helm install with the development preset, in a namespace that enforces the restricted standard',
  needs: [],
  async run(context) {
    const { release, values, figure } = context;
    await release.kubectl('create', 'namespace', release.namespace).catch((error: Error) => {
      if (!/already exists/.test(error.message)) throw error;
    });
    await release.kubectl(
      'label',
      '--overwrite',
      'namespace',
      release.namespace,
      'pod-security.kubernetes.io/enforce=restricted',
    );
    const from = performance.now();
    await installWatched(release, values);
    const took = (performance.now() - from) / 1000;
    figure('install to ready', Math.round(took * 10) / 10, 's');
    const { items } = await release.get<Pods>('pods');
    const restarts = items.reduce(
      (sum, pod) => sum + (pod.status.containerStatuses?.[0]?.restartCount ?? 0),
      0,
    );
    return `everything ready after ${took.toFixed(1)} s: ${items.length} pods, ${restarts} restarts on the way`;
  },
};

interface Summary {
  readonly pods: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string };
    readonly memory?: { readonly workingSetBytes?: number };
  }[];
}

export const memoryCheck: Check = {
  id: 'memory',
  title: 'Memory of the whole platform at rest',
  needs: ['install'],
  async run({ release, figure }) {
    const nodes = await release.get<{ items: { metadata: { name: string } }[] }>('nodes');
    const pods: { name: string; bytes: number }[] = [];
    for (const { metadata } of nodes.items) {
      const text = await release.kubectl(
        'get',
        '--raw',
        `/api/v1/nodes/${metadata.name}/proxy/stats/summary`,
      );
      for (const { podRef, memory } of (JSON.parse(text) as Summary).pods)
        if (podRef.namespace === release.namespace)
          pods.push({ name: podRef.name, bytes: memory?.workingSetBytes ?? 0 });
    }
    const total = pods.reduce((sum, { bytes }) => sum + bytes, 0);
    expectThat(total > 0, 'the kubelet to report memory of our pods', pods);
    figure('memory at rest, all pods', Math.round(total / 1e6), 'MB');
    const largest = pods.sort((a, b) => b.bytes - a.bytes).slice(0, 4);
    const shown = largest.map(
      ({ name, bytes }) => `${name.split('-').slice(1, 3).join('-')} ${Math.round(bytes / 1e6)} MB`,
    );
    return `${Math.round(total / 1e6)} MB in ${pods.length} pods; the largest: ${shown.join(', ')}`;
  },
};

export const helmTestCheck: Check = {
  id: 'helm-test',
  title: 'helm test: a story from inside the cluster, seen in the metrics',
  needs: ['install'],
  async run({ release }) {
    const from = performance.now();
    try {
      // Not with --logs: the pod of a test that succeeded is deleted before Helm reads them.
      const said = await release.helm('test', release.name, '--timeout', '5m');
      expectThat(/Phase:\s+Succeeded/.test(said), 'the test to succeed', said.slice(-400));
    } catch (error) {
      const logs = await release.kubectl('logs', `${release.name}-test`, '--tail=20').catch(() => '');
      throw new CheckFailure(`${(error as Error).message}\n${logs}`);
    }
    return `passed in ${seconds(from)}`;
  },
};
