import { copyFileSync, existsSync, readFileSync, renameSync, statSync } from 'node:fs';

/** A file this old is not being written any more; anvil writes even large states in less. */
const SETTLED_MS = 1_500;

/** From this size on, saving takes a noticeable part of a processor, so it is done less often. */
const LARGE_BYTES = 20 * 1024 * 1024;
/** Both must stay shorter than the time to finality (16 s), see anvil.ts. */
const INTERVAL_SECONDS = 5;
const LARGE_INTERVAL_SECONDS = 12;

const previousOf = (file: string): string => `${file}.previous`;

/** Seconds between two saves of a chain of this size. */
export function saveIntervalSeconds(file: string): number {
  return existsSync(file) && statSync(file).size > LARGE_BYTES ? LARGE_INTERVAL_SECONDS : INTERVAL_SECONDS;
}

/**
 * Keeps a second copy of the state that anvil saves. anvil writes in place: when it is killed while it writes, its
 * own file is torn. Call it now and then while the chain runs; copies only what has settled since the last time.
 */
export function keepPreviousState(file: string, now = Date.now()): void {
  try {
    const saved = statSync(file).mtimeMs;
    const kept = existsSync(previousOf(file)) ? statSync(previousOf(file)).mtimeMs : 0;
    if (saved <= kept || now - saved < SETTLED_MS) return;
    copyFileSync(file, `${previousOf(file)}.new`);
    // Written to while it was copied: the next call does better.
    if (statSync(file).mtimeMs === saved) renameSync(`${previousOf(file)}.new`, previousOf(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function isWhole(file: string): boolean {
  try {
    JSON.parse(readFileSync(file, 'utf8'));
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes sure that anvil finds a state that it can read, before it starts: a torn file is replaced by the copy.
 *
 * @returns what was done about a torn file; undefined when there was nothing to do
 */
export function repairState(file: string): 'restored' | 'lost' | undefined {
  if (!existsSync(file) || isWhole(file)) return undefined;
  renameSync(file, `${file}.torn`);
  if (!isWhole(previousOf(file))) return 'lost';
  copyFileSync(previousOf(file), file);
  return 'restored';
}
