import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../lib/time.ts';
import { createControlClient } from './control-api.ts';
import { cleanUpOrphans, livingChildren } from './orphans.ts';
import { postgresDataDir } from './parts/postgres.ts';
import { signalGroup } from './parts/spawn.ts';
import { isAlive, readState } from './state.ts';

/** How long an orderly shutdown may take before the supervisor is killed, in milliseconds. */
const DOWN_DEADLINE_MS = 60_000;

/**
 * Stops the stack of a state folder from another process; what a dead supervisor left behind is ended too.
 *
 * @returns what was found: a stack that was stopped, only leftovers, or nothing
 */
export async function stopStack(
  stateDir: string,
  clock: Clock = systemClock,
): Promise<'stopped' | 'orphans' | 'nothing'> {
  const state = readState(stateDir);
  if (state === undefined) return 'nothing';
  if (!isAlive(state.supervisor))
    return (await cleanUpOrphans(stateDir, clock)).length > 0 ? 'orphans' : 'nothing';
  // A supervisor that is stopping already does not answer; waiting is all there is to do.
  await createControlClient(state)
    .stopStack()
    .catch(() => undefined);
  const deadline = clock.monotonic() + DOWN_DEADLINE_MS;
  while (readState(stateDir) !== undefined && isAlive(state.supervisor) && clock.monotonic() < deadline) {
    await clock.sleep(100);
  }
  const left = readState(stateDir);
  if (left === undefined) return 'stopped';
  if (isAlive(left.supervisor)) process.kill(left.supervisor.pid, 'SIGKILL');
  for (const { process: child } of livingChildren(left)) signalGroup(child.pid, 'SIGKILL');
  await clock.sleep(200);
  await cleanUpOrphans(stateDir, clock);
  return 'stopped';
}

/** Removes all state: chain, database, queues, secrets, logs. Stops what runs first. */
export async function resetStack(stateDir: string): Promise<void> {
  await stopStack(stateDir);
  await rm(await postgresDataDir(join(stateDir, 'postgres')), { recursive: true, force: true });
  if (!existsSync(stateDir)) return;
  // Only what is ours: STATE_DIR may name a folder that holds other things.
  const ours = /^(cache|chain|contracts-\d+\.json|lock|logs|metadata|postgres|redis|secrets|stack\.json)$/;
  for (const entry of await readdir(stateDir)) {
    if (ours.test(entry)) await rm(join(stateDir, entry), { recursive: true, force: true });
  }
}
