import { z } from 'zod';
import { passThrough, stringMap } from './value-types.ts';

const SERVING = ['gateway', 'api', 'user', 'console'] as const;

/** How the world reaches the platform, and who inside may reach whom. */
export const exposureValues = {
  ingress: z
    .strictObject({
      enabled: z.boolean().default(false).describe('Whether there is one.'),
      className: z.string().default('').describe('Ingress class. Empty: the default one of the cluster.'),
      annotations: stringMap.default({}).describe('Annotations.'),
      hosts: z
        .array(
          z.strictObject({
            host: z.string().min(1).describe('Host name.'),
            component: z.enum(SERVING).describe('Part that answers.'),
            path: z.string().startsWith('/').default('/').describe('Path.'),
            pathType: z
              .enum(['Prefix', 'Exact', 'ImplementationSpecific'])
              .default('Prefix')
              .describe('How the path is compared.'),
          }),
        )
        .default([])
        .describe('Hosts and the parts behind them.'),
      tls: z.array(passThrough).default([]).describe('TLS, as an Ingress has it.'),
    })
    .prefault({})
    .describe('Ingress.'),
  httpRoute: z
    .strictObject({
      enabled: z.boolean().default(false).describe('Whether there are any.'),
      parentRefs: z.array(passThrough).default([]).describe('Gateways that they attach to.'),
      annotations: stringMap.default({}).describe('Annotations.'),
      routes: z
        .array(
          z.strictObject({
            component: z.enum(SERVING).describe('Part that answers.'),
            hostnames: z.array(z.string().min(1)).min(1).describe('Host names.'),
            path: z.string().startsWith('/').default('/').describe('Start of the path.'),
          }),
        )
        .default([])
        .describe('Hosts and the parts behind them; a canary gets its exact weight here.'),
    })
    .prefault({})
    .describe('Gateway API routes.'),
  networkPolicy: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('Deny everything but the arrows of the architecture, DNS and scraping.'),
      ingressFrom: z
        .array(passThrough)
        .default([])
        .describe(
          'Peers (from of a NetworkPolicy) that may call the published parts: your ingress controller. Empty: any.',
        ),
      metricsFrom: z
        .array(passThrough)
        .default([{ namespaceSelector: {} }])
        .describe('Peers that may scrape metrics. The default lets every namespace do so.'),
      dnsTo: z
        .array(passThrough)
        .default([{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }])
        .describe('Peers that answer DNS.'),
      database: z
        .strictObject({
          to: z
            .array(passThrough)
            .default([{ ipBlock: { cidr: '0.0.0.0/0' } }])
            .describe('Where Postgres is.'),
          ports: z.array(z.int().min(1).max(65_535)).min(1).default([5432]).describe('Its ports.'),
        })
        .prefault({})
        .describe('The way to Postgres outside the release.'),
      redis: z
        .strictObject({
          to: z
            .array(passThrough)
            .default([{ ipBlock: { cidr: '0.0.0.0/0' } }])
            .describe('Where Redis is.'),
          ports: z.array(z.int().min(1).max(65_535)).min(1).default([6379]).describe('Its ports.'),
        })
        .prefault({})
        .describe('The way to Redis outside the release.'),
      internet: z
        .strictObject({
          to: z
            .array(passThrough)
            .default([
              {
                ipBlock: {
                  cidr: '0.0.0.0/0',
                  except: [
                    '10.0.0.0/8',
                    '172.16.0.0/12',
                    '192.168.0.0/16',
                    '169.254.0.0/16',
                    '100.64.0.0/10',
                  ],
                },
              },
            ])
            .describe('Addresses that count as outside. Private ones do not.'),
          ports: z
            .array(z.int().min(1).max(65_535))
            .min(1)
            .default([443])
            .describe('Ports of providers, webhooks, push services.'),
          mailPorts: z
            .array(z.int().min(1).max(65_535))
            .default([465, 587])
            .describe('Ports of mail servers.'),
        })
        .prefault({})
        .describe('The way to providers and to whom we deliver.'),
      kubernetesApi: z
        .strictObject({
          to: z
            .array(passThrough)
            .default([{ ipBlock: { cidr: '0.0.0.0/0' } }])
            .describe('Where the Kubernetes API is.'),
          ports: z.array(z.int().min(1).max(65_535)).min(1).default([443, 6443]).describe('Its ports.'),
        })
        .prefault({})
        .describe('The way of the controller and of the jobs that need it to the Kubernetes API.'),
      extraEgress: z
        .record(z.string(), z.array(passThrough))
        .default({})
        .describe(
          'Further egress rules by part, for example a key service inside the cluster for transactions.',
        ),
    })
    .prefault({})
    .describe('NetworkPolicies. They need a network plugin that enforces them.'),
};
