import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, type ProcessRecord, recordOf } from './state.ts';

/**
 * Takes the lock of a state folder for this process. A lock whose owner is gone is taken over.
 *
 * @returns a function that gives it back, or the process that holds it.
 */
export function takeLock(stateDir: string): { release(): void } | { holder: ProcessRecord } {
  mkdirSync(stateDir, { recursive: true });
  const file = join(stateDir, 'lock');
  const mine = `${file}.${process.pid}`;
  const me = recordOf(process.pid);
  writeFileSync(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      try {
        // A link appears complete or not at all, unlike a file that is still being written.
        linkSync(mine, file);
        return {
          release: () => {
            if (readHolder(file)?.pid === process.pid) rmSync(file, { force: true });
          },
        };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = readHolder(file);
      if (holder !== undefined && isAlive(holder)) return { holder };
      rmSync(file, { force: true });
    }
    throw new Error(`The lock ${file} cannot be taken; remove it when no other \`make up\` runs.`);
  } finally {
    rmSync(mine, { force: true });
  }
}

function readHolder(file: string): ProcessRecord | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord | null) ?? undefined;
  } catch {
    return undefined;
  }
}
