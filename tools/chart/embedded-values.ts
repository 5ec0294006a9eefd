import { z } from 'zod';
import { foreignImage, optionalName, quantity, resources, securityIds } from './value-types.ts';

const persistence = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('Keep the data in a volume; without it a restart forgets everything.'),
    size: quantity.default('2Gi').describe('Size of the volume.'),
    storageClassName: optionalName.describe('Storage class. Empty: the default one of the cluster.'),
  })
  .prefault({})
  .describe('Where the data is kept.');

/** Parts for a first try; a production deployment brings its own. */
export const embeddedValues = z
  .strictObject({
    postgres: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Run a Postgres inside the release.'),
        image: foreignImage('docker.io/library/postgres', '17.6-alpine'),
        ...securityIds(70),
        persistence,
        resources: resources({
          requests: { cpu: '100m', memory: '256Mi' },
          limits: { memory: '1Gi' },
        }),
      })
      .prefault({})
      .describe('A single Postgres without backups. Not for production.'),
    redis: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Run a Redis inside the release.'),
        image: foreignImage('docker.io/library/redis', '7.4-alpine'),
        ...securityIds(999),
        persistence,
        resources: resources({
          requests: { cpu: '50m', memory: '64Mi' },
          limits: { memory: '256Mi' },
        }),
      })
      .prefault({})
      .describe('A single Redis. Not for production.'),
    chain: z
      .strictObject({
        enabled: z
          .boolean()
          .default(false)
          .describe(
            'Run a development chain (anvil), deploy the contracts to it, and put providers before it.',
          ),
        image: foreignImage('ghcr.io/foundry-rs/foundry', 'v1.5.1'),
        ...securityIds(1000),
        persistence,
        blockTimeSeconds: z.int().min(1).max(60).default(2).describe('Seconds between two blocks.'),
        confirmations: z
          .int()
          .min(1)
          .max(100)
          .default(2)
          .describe('Blocks until a block counts as confirmed.'),
        providers: z
          .array(z.string().regex(/^[a-z][a-z0-9-]{0,15}$/))
          .min(1)
          .default(['alpha', 'beta'])
          .describe(
            'Names of the JSON-RPC providers before the chain; each is a pod that can be told to misbehave.',
          ),
        resources: resources({
          requests: { cpu: '100m', memory: '128Mi' },
          limits: { memory: '512Mi' },
        }),
      })
      .prefault({})
      .describe('A development chain whose keys everybody knows. Never for value.'),
  })
  .prefault({})
  .describe('Dependencies inside the release, for a first try (values-dev.yaml).');
