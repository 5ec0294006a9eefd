import { join } from 'node:path';
import { type Command, plainEnvironment } from './parts/command.ts';

const PROJECT = join(import.meta.dirname, '..', '..');

/** A Node process of this project, without our own environment. */
export function nodeCommand(
  entry: string,
  args: readonly string[],
  env: Record<string, string>,
  stateDir: string,
): Command {
  return {
    file: process.execPath,
    args: [join(PROJECT, entry), ...args],
    // Compiled TypeScript is kept between starts; it takes a third off the time to start.
    env: plainEnvironment({
      NODE_COMPILE_CACHE: join(stateDir, 'cache', 'node'),
      NODE_ENV: 'production',
      ...env,
    }),
    cwd: PROJECT,
    stopSignal: 'SIGTERM',
  };
}
