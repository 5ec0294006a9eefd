import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { missingPrograms, programPath } from '../cluster/build.ts';

export const CHART = join(import.meta.dirname, '..', '..', 'charts', 'rejuve-platform');

/** The Kubernetes for which templates are rendered without a cluster; the one of tools/cluster. */
export const KUBE_VERSION = '1.34.4';

/** True when helm was built; without Go it cannot be. */
export const hasHelm = (): boolean => missingPrograms(['helm']).length === 0;

/** An object as a template renders it. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: objects of all kinds, of which tests compare single fields
  readonly [field: string]: any;
}

export interface RenderOptions {
  readonly release?: string;
  readonly namespace?: string;
  /** Presets by name: dev, production. */
  readonly presets?: readonly string[];
  /** Further values, merged over the presets. */
  readonly values?: object;
  readonly kubeVersion?: string;
  /** Chart folder, when it is not ours. */
  readonly chart?: string;
}

const argumentsOf = (options: RenderOptions): string[] => [
  ...[options.release ?? 'rejuve', options.chart ?? CHART],
  ...['--namespace', options.namespace ?? 'rejuve'],
  ...['--kube-version', options.kubeVersion ?? KUBE_VERSION],
  ...(options.presets ?? []).flatMap((name) => ['--values', join(CHART, `values-${name}.yaml`)]),
  ...(options.values === undefined ? [] : ['--values', '-']),
];

/** Runs helm, without a cluster unless a kubeconfig is given. */
export function helm(
  args: readonly string[],
  input?: string,
  kubeconfig = '/nonexistent',
): { ok: boolean; out: string; error: string } {
  const run = spawnSync(programPath('helm'), args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    input: input ?? '',
    // Nothing of the user's own Helm may have a say.
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', KUBECONFIG: kubeconfig },
  });
  return { ok: run.status === 0, out: run.stdout, error: run.stderr };
}

/** The manifests of the chart as text. @throws Error with what helm says */
export function renderText(options: RenderOptions): string {
  const { ok, out, error } = helm(
    ['template', ...argumentsOf(options)],
    options.values && JSON.stringify(options.values),
  );
  if (!ok) throw new Error(error.replace(/\n*Use --debug.*\n?/, '').trim());
  return out;
}

/** The manifests of the chart, hooks and tests included. @throws Error with what helm says */
export const render = (options: RenderOptions): Rendered[] =>
  parseAllDocuments(renderText(options)).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0] as Error;
    const object = document.toJS() as Rendered | null;
    return object === null ? [] : [object];
  });
