import type { Externals } from './externals.ts';
import type { Ports } from './ports.ts';
import type { SecretFiles, Secrets } from './secrets.ts';

/** Everything that decides what runs. */
export interface PlanInput {
  readonly stateDir: string;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly secretFiles: SecretFiles;
  readonly externals: Externals;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (line: string) => void;
}
