import { type Clock, systemClock } from '../../lib/time.ts';
import { signalGroup } from './parts/spawn.ts';
import { isAlive, type ProcessRecord, readState, removeState, type StackState } from './state.ts';

/** How long an orphan may take to leave after SIGTERM, in milliseconds. */
const ORPHAN_DEADLINE_MS = 5_000;

/** The processes of a stack's record that still run, by name; a later process with the same id is not among them. */
export function livingChildren(state: StackState): { name: string; process: ProcessRecord }[] {
  return Object.entries(state.children).flatMap(([name, child]) =>
    child.process !== null && isAlive(child.process) ? [{ name, process: child.process }] : [],
  );
}

/**
 * Ends what a killed supervisor left behind: politely, then by force. Only processes that the record names and
 * whose start matches are touched.
 *
 * @returns the names of the children that were ended.
 */
export async function cleanUpOrphans(stateDir: string, clock: Clock = systemClock): Promise<string[]> {
  const state = readState(stateDir);
  if (state === undefined || isAlive(state.supervisor)) return [];
  const orphans = livingChildren(state);
  for (const orphan of orphans) {
    // A frozen process does not see a polite signal.
    signalGroup(orphan.process.pid, 'SIGCONT');
    signalGroup(orphan.process.pid, 'SIGTERM');
  }
  const deadline = clock.monotonic() + ORPHAN_DEADLINE_MS;
  while (orphans.some((orphan) => isAlive(orphan.process)) && clock.monotonic() < deadline) {
    await clock.sleep(50);
  }
  for (const orphan of orphans) {
    if (isAlive(orphan.process)) signalGroup(orphan.process.pid, 'SIGKILL');
  }
  removeState(stateDir);
  return orphans.map((orphan) => orphan.name);
}
