import { z } from 'zod';

/** The API group and version that both of our kinds live in. */
export const GROUP = 'chain.rejuve.io';
export const VERSION = 'v1alpha1';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** One CEL rule of a CRD. `message` must say what to write, not only what is wrong. */
export interface Rule {
  readonly rule: string;
  readonly message?: string;
  /** A CEL expression that builds the message, for messages that quote the offending value. */
  readonly messageExpression?: string;
  readonly fieldPath?: string;
}

/** Attaches CEL rules to a schema; the CRD generator copies them, the API server evaluates them. */
export const rules = (...list: Rule[]): Record<string, unknown> => ({ 'x-kubernetes-validations': list });

/** An int32 within [min, max]. */
export const int = (min: number, max: number) => z.int().min(min).max(max).meta({ format: 'int32' });

/** Seconds, as a whole number; Kubernetes' own fields spell durations this way. */
export const seconds = (min: number, max: number) => int(min, max);

/** The name of a Kubernetes object (RFC 1123 subdomain). */
export const objectName = () =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);

/** Points at one key of a Secret in the same namespace; the value never appears in a spec. */
export const secretKeyRef = (defaultKey: string) =>
  z.object({
    name: objectName().describe('Name of the Secret, in the namespace of this object.'),
    key: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[-._a-zA-Z0-9]+$/)
      .default(defaultKey)
      .describe('Key inside the Secret.'),
  });

export type SecretKeyRef = z.infer<ReturnType<typeof secretKeyRef>>;

/** metav1.Condition, as the Kubernetes API conventions ask. */
export const conditionSchema = z
  .object({
    type: z.string().max(316),
    status: z.enum(['True', 'False', 'Unknown']),
    observedGeneration: z.int().min(0).meta({ format: 'int64' }).optional(),
    lastTransitionTime: z.iso.datetime().meta({ format: 'date-time' }),
    reason: z
      .string()
      .min(1)
      .max(1024)
      .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/),
    message: z.string().max(32768),
  })
  .describe('One aspect of the state of this object, and the reason for it.');

export type Condition = z.infer<typeof conditionSchema>;

/** A list of conditions, merged by type on server-side apply. */
export const conditionsSchema = z
  .array(conditionSchema)
  .max(16)
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });

/** The part of ObjectMeta that our code reads. */
export interface ObjectMeta {
  name?: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: {
    manager?: string;
    operation?: string;
    subresource?: string;
    time?: string;
    fieldsV1?: unknown;
  }[];
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** Any Kubernetes object. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}
