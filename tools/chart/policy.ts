import { spawnSync } from 'node:child_process';
import { programPath } from '../cluster/build.ts';

/** Findings of kube-score that we answer instead of follow; anything else fails the check. */
const EXPLAINED: readonly { check: string; objects: RegExp; rows?: RegExp; why: string }[] = [
  {
    check: 'container-resources',
    objects: /./,
    why: 'No CPU limits on purpose: they throttle bursts on idle nodes. Memory limits and all requests are set; chart.test.ts checks them.',
  },
  {
    check: 'container-ephemeral-storage-request-and-limit',
    objects: /./,
    why: 'Root filesystems are read-only and every emptyDir has a size limit, which is what bounds the use.',
  },
  {
    check: 'container-image-pull-policy',
    objects: /./,
    why: 'Tags are versions and never move (or are digests): pulling always would make a restart depend on the registry.',
  },
  {
    check: 'container-security-context-user-group-id',
    objects: /postgres|redis|chain/,
    why: 'The ids are those of the official images, which have low ones.',
  },
  {
    check: 'pod-probes-identical',
    objects: /./,
    why: 'Embedded parts have TCP probes for both: they are for first tries.',
  },
  {
    check: 'pod-probes',
    objects: /./,
    why: 'Workers have no Service; embedded providers answer readiness on another port than liveness.',
  },
  {
    check: 'statefulset-has-poddisruptionbudget',
    objects: /postgres|redis|chain/,
    why: 'One replica for a first try: a budget would only keep a node from being drained.',
  },
  {
    check: 'statefulset-has-servicename',
    objects: /postgres|redis|chain/,
    why: 'kube-score wants a headless Service; ours has an address that outlives the one pod, and nobody needs names of pods.',
  },
  {
    check: 'pod-networkpolicy',
    objects: /./,
    rows: /^no network policies/,
    why: 'What this row switches off.',
  },
  { check: 'service-type', objects: /-api$/, rows: /^everything extra$/, why: 'What this row asks for.' },
  {
    check: 'deployment-has-poddisruptionbudget',
    objects: /provider-/,
    why: 'A front before a development chain.',
  },
  {
    check: 'statefulset-has-host-podantiaffinity',
    objects: /postgres|redis|chain/,
    why: 'One replica.',
  },
  {
    check: 'deployment-has-host-podantiaffinity',
    objects: /./,
    why: 'Topology spread constraints do this, and over zones too; chart.test.ts checks them.',
  },
  {
    check: 'deployment-replicas',
    objects: /./,
    why: 'Replicas are one in the dev preset, two or more by default, and left out where an autoscaler or the controller decides.',
  },
  {
    check: 'horizontalpodautoscaler-replicas',
    objects: /./,
    why: 'Bounds are the user’s to choose; the schema keeps them positive.',
  },
];

interface Finding {
  readonly object_name: string;
  readonly object_meta?: { name?: string };
  readonly checks?: readonly {
    check: { id: string; name: string };
    grade: number;
    skipped: boolean;
    comments?: readonly { path: string; summary: string; description: string }[] | null;
  }[];
}

/** kube-score's grades: 1 critical, 5 warning, 7 almost ok, 10 ok. */
const ALMOST_OK = 7;

/** What a scan of these manifests finds and nobody has explained, as sentences. */
export function judge(name: string, manifests: string): string[] {
  const run = spawnSync(
    programPath('kube-score'),
    ['score', '--output-format', 'json', '--output-version', 'v2', '-'],
    {
      input: manifests,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    },
  );
  let findings: Finding[];
  try {
    findings = JSON.parse(run.stdout) as Finding[];
  } catch {
    return [`${name}, kube-score: ${run.stderr || run.stdout}`];
  }
  return findings.flatMap((finding) =>
    (finding.checks ?? []).flatMap(({ check, grade, skipped, comments }) => {
      if (skipped || grade >= ALMOST_OK) return [];
      const object = finding.object_name;
      if (
        EXPLAINED.some(
          (known) =>
            known.check === check.id && known.objects.test(object) && (known.rows?.test(name) ?? true),
        )
      )
        return [];
      const what = (comments ?? []).map(({ path, summary }) => `${path} ${summary}`.trim()).join('; ');
      return [`${name}, kube-score: ${object}: ${check.id}: ${what}`];
    }),
  );
}
