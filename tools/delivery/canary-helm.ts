import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { CanaryPart } from './canary-prometheus.ts';
import type { CanaryRelease } from './canary-run.ts';

const run = promisify(execFile);

export interface HelmOptions {
  readonly helm: string;
  readonly release: string;
  readonly namespace: string;
  readonly chart: string;
  readonly part: CanaryPart;
  /** The version that is tried: a tag, or a digest `sha256:…`. */
  readonly version: string;
  readonly timeout: string;
}

/** What Helm is asked to do for each move; `--reuse-values` leaves everything else as it was. */
export function helmArguments(options: HelmOptions, values: Readonly<Record<string, string>>): string[] {
  const { release, namespace, chart, timeout } = options;
  return [
    ...[
      'upgrade',
      release,
      chart,
      '--namespace',
      namespace,
      '--reuse-values',
      '--wait',
      '--timeout',
      timeout,
    ],
    ...Object.entries(values).flatMap(([key, value]) => [
      /^(\d+|true|false)$/.test(value) ? '--set' : '--set-string',
      `${key}=${value}`,
    ]),
  ];
}

/** The values for each move. */
export function canaryValues(part: CanaryPart, version: string) {
  const image = (path: string): Record<string, string> =>
    version.startsWith('sha256:')
      ? { [`${path}.tag`]: '', [`${path}.digest`]: version }
      : { [`${path}.tag`]: version, [`${path}.digest`]: '' };
  return {
    weight: (percent: number) => ({
      [`${part}.canary.enabled`]: 'true',
      [`${part}.canary.weight`]: String(percent),
      ...image(`${part}.canary.image`),
    }),
    promote: () => ({ ...image(`${part}.image`), [`${part}.canary.enabled`]: 'false' }),
    rollBack: () => ({ [`${part}.canary.enabled`]: 'false' }),
  };
}

/** Moves the canary of a part of a Helm release. */
export function createHelmCanary(options: HelmOptions): CanaryRelease {
  const values = canaryValues(options.part, options.version);
  const upgrade = async (set: Readonly<Record<string, string>>): Promise<void> => {
    try {
      await run(options.helm, helmArguments(options, set), { maxBuffer: 16 * 1024 * 1024 });
    } catch (error) {
      const { stderr = '', message } = error as Error & { stderr?: string };
      throw new Error(`helm upgrade failed: ${stderr.trim() || message}`, { cause: error });
    }
  };
  return {
    setWeight: (percent) => upgrade(values.weight(percent)),
    promote: () => upgrade(values.promote()),
    rollBack: () => upgrade(values.rollBack()),
  };
}
