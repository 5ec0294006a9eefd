import { z } from 'zod';

/** A Kubernetes resource name that is also a DNS label. Empty: not set. */
export const optionalName = z
  .string()
  .regex(/^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$/)
  .max(253)
  .default('');

/** `500m`, `0.5`, `2`; `256Mi`, `1Gi`. */
export const quantity = z.union([z.number(), z.string().regex(/^[0-9]+(\.[0-9]+)?(m|[kKMGTPE]i?)?$/)]);

/** Any object of the Kubernetes API that the chart passes through; Kubernetes itself checks it. */
export const passThrough = z.record(z.string(), z.unknown());

/** Strings only: labels and annotations, where YAML's `true` and `1` are typing slips that Kubernetes refuses late. */
export const stringMap = z.record(z.string(), z.string());

export const resources = (defaults: {
  requests: { cpu: string; memory: string };
  limits: { memory: string };
}) =>
  z
    .strictObject({
      requests: z
        .strictObject({
          cpu: quantity.optional(),
          memory: quantity.optional(),
          'ephemeral-storage': quantity.optional(),
        })
        .default(defaults.requests)
        .describe('What the scheduler reserves.'),
      limits: z
        .strictObject({
          cpu: quantity.optional(),
          memory: quantity.optional(),
          'ephemeral-storage': quantity.optional(),
        })
        .default(defaults.limits)
        .describe(
          'What the container may not exceed. No CPU limit by default: it throttles in bursts and saves nothing.',
        ),
    })
    .prefault({})
    .describe('CPU and memory.');

/** An image that is not ours. */
export const foreignImage = (repository: string, tag: string) =>
  z
    .strictObject({
      repository: z.string().min(1).default(repository).describe('Registry and repository.'),
      tag: z.string().default(tag).describe('Tag.'),
      digest: z
        .string()
        .regex(/^(sha256:[0-9a-f]{64})?$/)
        .default('')
        .describe('Pins the content, sha256:…; wins over the tag.'),
      pullPolicy: z
        .enum(['Always', 'IfNotPresent', 'Never'])
        .default('IfNotPresent')
        .describe('When it is pulled.'),
    })
    .prefault({})
    .describe('The image.');

export const securityIds = (uid: number) => ({
  runAsUser: z.int().min(1).default(uid).describe('User id of the process in its image; never 0.'),
  fsGroup: z.int().min(1).default(uid).describe('Group that owns the volumes.'),
});
