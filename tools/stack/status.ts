import { isChainReady } from './parts/anvil.ts';
import { pingPostgres } from './parts/postgres.ts';
import { pingRedis } from './parts/redis.ts';
import { isServiceReady } from './plan.ts';
import { isSnetDaemonReady } from './snet-child.ts';
import { type ChildRecord, isAlive, readState, type StackState } from './state.ts';

export interface StackStatus {
  readonly running: boolean;
  /** Everything runs and answered just now. */
  readonly ready: boolean;
  readonly state: StackState | undefined;
  /** With the state that was seen from here, not the one the supervisor believes in. */
  readonly children: Readonly<Record<string, ChildRecord>>;
}

function probe(name: string, child: ChildRecord, state: StackState): Promise<boolean> {
  if (name === 'postgres')
    return pingPostgres(state.urls.database ?? '').then((problem) => problem === undefined);
  if (name === 'redis') return pingRedis(state.urls.redis ?? '').then((problem) => problem === undefined);
  if (name === 'snet-daemon') return isSnetDaemonReady(state.urls.snetControl ?? '');
  if (child.kind === 'service') return isServiceReady(child.url ?? '');
  return isChainReady(child.url ?? '', state.chainId);
}

/** Asks everything of the recorded stack how it is, from outside. */
export async function stackStatus(stateDir: string): Promise<StackStatus> {
  const state = readState(stateDir);
  if (state === undefined || !isAlive(state.supervisor)) {
    return { running: false, ready: false, state, children: {} };
  }
  const seen = await Promise.all(
    Object.entries(state.children).map(async ([name, child]): Promise<[string, ChildRecord]> => {
      if (child.process === null || !isAlive(child.process)) {
        return [name, { ...child, state: child.state === 'ready' ? 'stopped' : child.state }];
      }
      const answers = await probe(name, child, state);
      // The supervisor knows why something does not answer: it starts, or it is frozen on purpose.
      const believed = child.state === 'ready' ? 'unready' : child.state;
      return [name, { ...child, state: answers ? 'ready' : believed }];
    }),
  );
  const children = Object.fromEntries(seen);
  const ready = state.ready && Object.values(children).every((child) => child.state === 'ready');
  return { running: true, ready, state, children };
}
