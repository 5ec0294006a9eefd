import { readFileSync } from 'node:fs';
import type { Logger } from '../../../lib/log.ts';
import type { Clock, Timer } from '../../../lib/time.ts';
import type { ProviderConfig } from './provider-config.ts';
import {
  formatProblem,
  type ParsedProvidersFile,
  parseProvidersFile,
  type Secrets,
} from './providers-file.ts';
import type { ProvidersFile } from './providers-schema.ts';

/** The file is read this often. Watching would be quicker by a second and miss the symlink swaps of mounted ConfigMaps. */
const READ_EVERY_MS = 1_000;

export interface ProvidersWatcher {
  stop(): void;
  /** What is wrong with the file just now; empty while the running configuration is what the file says. */
  problems(): readonly string[];
}

/** Real environment and files as the source of secrets. */
export const systemSecrets: Secrets = {
  env: (name) => process.env[name],
  file: (path) => readFileSync(path, 'utf8'),
};

/** Reads a providers file. @throws Error when it cannot be read */
export function readProvidersFile(path: string, secrets: Secrets = systemSecrets): ParsedProvidersFile {
  return parseProvidersFile(readFileSync(path, 'utf8'), secrets);
}

/**
 * Applies changes of the providers file while the gateway runs. A file with mistakes changes nothing: they are
 * logged, each with line and column, and the running configuration stays.
 */
export function watchProvidersFile(deps: {
  path: string;
  current: ProvidersFile;
  apply: (providers: readonly ProviderConfig[], file: ProvidersFile) => void;
  clock: Pick<Clock, 'setInterval'>;
  log: Logger;
  secrets?: Secrets;
}): ProvidersWatcher {
  const { path, log } = deps;
  let applied = JSON.stringify(deps.current);
  let complaints: readonly string[] = [];

  const complain = (next: readonly string[]): void => {
    if (next.join('\n') !== complaints.join('\n') && next.length > 0) {
      log.error({ problems: next }, 'the providers file has mistakes; the running configuration stays');
    }
    complaints = next;
  };
  const check = (): void => {
    let parsed: ParsedProvidersFile;
    try {
      parsed = readProvidersFile(path, deps.secrets);
    } catch (error) {
      complain([`${path}: ${(error as Error).message}`]);
      return;
    }
    if (!parsed.ok) {
      complain(parsed.problems.map((problem) => formatProblem(path, problem)));
      return;
    }
    if (parsed.file.chainId !== deps.current.chainId) {
      complain([
        `${path}: chainId changed from ${deps.current.chainId} to ${parsed.file.chainId}; that needs a restart`,
      ]);
      return;
    }
    complain([]);
    const text = JSON.stringify(parsed.file);
    if (text === applied) return;
    applied = text;
    deps.apply(parsed.providers, parsed.file);
    log.info({ providers: parsed.providers.map((provider) => provider.id) }, 'providers file applied');
  };
  const timer: Timer = deps.clock.setInterval(check, READ_EVERY_MS);
  return { stop: () => timer.cancel(), problems: () => complaints };
}
