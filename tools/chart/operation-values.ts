import { z } from 'zod';
import { optionalName, passThrough, resources, stringMap } from './value-types.ts';

/** What operators look at and turn. */
export const operationValues = {
  crds: z
    .strictObject({
      install: z
        .boolean()
        .default(true)
        .describe(
          'Bring the CRDs up to date in a Job before each install and upgrade (Helm itself creates missing ones and never updates). Off: also pass --skip-crds, and apply crds/ yourself.',
        ),
      keep: z
        .boolean()
        .default(true)
        .describe(
          'Leave the CRDs, and with them all their objects, in the cluster when the release is uninstalled.',
        ),
    })
    .prefault({})
    .describe('CustomResourceDefinitions of the controller.'),
  priorityClasses: z
    .strictObject({
      create: z
        .boolean()
        .default(false)
        .describe('Make two priority classes: serving parts before working ones when nodes run full.'),
      serving: z
        .int()
        .min(-1_000_000_000)
        .max(1_000_000_000)
        .default(100_000)
        .describe('Value for gateway, api, user, controller.'),
      working: z
        .int()
        .min(-1_000_000_000)
        .max(1_000_000_000)
        .default(50_000)
        .describe('Value for workers, indexer, notifications.'),
    })
    .prefault({})
    .describe('Priority classes. They are cluster-wide, so their names carry namespace and release.'),
  metrics: z
    .strictObject({
      scrapeAnnotations: z
        .boolean()
        .default(true)
        .describe('Put prometheus.io/scrape annotations on the pods.'),
      podMonitor: z
        .strictObject({
          enabled: z.boolean().default(false).describe('Make a PodMonitor (Prometheus operator).'),
          interval: z.string().default('15s').describe('How often pods are scraped.'),
          labels: stringMap.default({}).describe('Labels by which your Prometheus selects it.'),
        })
        .prefault({})
        .describe(
          'Scraping by the Prometheus operator; includes workers and canaries, which no Service shows.',
        ),
      rules: z
        .strictObject({
          enabled: z
            .boolean()
            .default(false)
            .describe('Make a PrometheusRule with the SLO recordings and alerts.'),
          labels: stringMap.default({}).describe('Labels by which your Prometheus selects it.'),
        })
        .prefault({})
        .describe(
          'Rules generated from lib/slo. Once per Prometheus: two releases would record the same series twice.',
        ),
      dashboards: z
        .strictObject({
          enabled: z.boolean().default(false).describe('Make a ConfigMap per dashboard.'),
          labels: stringMap
            .default({ grafana_dashboard: '1' })
            .describe('Labels by which the sidecar of Grafana finds them.'),
          annotations: stringMap.default({}).describe('Annotations, such as the folder.'),
        })
        .prefault({})
        .describe('Grafana dashboards.'),
    })
    .prefault({})
    .describe('Metrics, alerts, dashboards.'),
  flags: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Mount the feature flags into every process.'),
      existingConfigMap: optionalName.describe(
        'ConfigMap with a key flags.json in the format of flagd, instead of definitions.',
      ),
      definitions: passThrough
        .default({})
        .describe('Flags in the format of flagd: name → { state, variants, defaultVariant, targeting }.'),
    })
    .prefault({})
    .describe(
      'Feature flags; a change is in force within a minute or two, without a restart. See docs/runbooks/feature-flags.md.',
    ),
  tests: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Make the pod that `helm test` runs.'),
      onChainStory: z
        .boolean()
        .default(false)
        .describe(
          'Let the test move tokens of the treasury to a new wallet and wait for the notification. Set by values-dev.yaml.',
        ),
      timeoutSeconds: z.int().min(10).max(3600).default(180).describe('The test is given up after this.'),
      resources: resources({
        requests: { cpu: '50m', memory: '96Mi' },
        limits: { memory: '256Mi' },
      }),
    })
    .prefault({})
    .describe('helm test.'),
};
