import { type ContractsManifest, loadContractsManifest } from '../../lib/contracts-manifest.ts';
import { createControlClient } from '../stack/control-api.ts';
import { isAlive, readState, type StackState, stateFile } from '../stack/state.ts';

/** What the demo knows of a running stack, and how it reaches into it. */
export interface StackAccess {
  readonly state: StackState;
  readonly control: ReturnType<typeof createControlClient>;
  readonly manifest: ContractsManifest;
  /** A URL of the stack by name. Throws {@link NoStackError} when this stack has none. */
  url(name: string): string;
  /** A development credential by name. Throws {@link NoStackError} when this stack has none. */
  credential(name: string): string;
  /** The log of a child, for people. */
  logOf(service: string): string | undefined;
}

/** There is no stack to drive, or it lacks something the story needs; the message says what to do. */
export class NoStackError extends Error {
  override readonly name = 'NoStackError';
}

/** Reads what `make up` wrote into the state folder. Throws {@link NoStackError}. */
export function openStack(stateDir: string): StackAccess {
  const state = readState(stateDir);
  if (!state || !isAlive(state.supervisor)) {
    throw new NoStackError(
      `no stack runs with state in ${stateDir}: start it with \`make up\` in another terminal`,
    );
  }
  if (!state.ready) {
    const waiting = Object.entries(state.children).flatMap(([name, child]) =>
      child.state === 'ready' ? [] : [name],
    );
    throw new NoStackError(`the stack is still starting (${waiting.join(', ')}): see \`make status\``);
  }
  const named = (kind: string, map: Readonly<Record<string, string>>) => (name: string) => {
    const value = map[name];
    if (value === undefined) {
      throw new NoStackError(
        `the stack has no ${kind} "${name}", which the story needs; it runs on ${stateFile(stateDir)} with ` +
          `${Object.keys(map).join(', ')}. The story needs the embedded chain: run \`make up\` without RPC_URLS.`,
      );
    }
    return value;
  };
  const contractsFile = named('file', state.files)('contracts');
  return {
    state,
    control: createControlClient(state),
    manifest: loadContractsManifest(contractsFile),
    url: named('URL', state.urls),
    credential: named('credential', state.credentials),
    logOf: (service) => state.children[service]?.log,
  };
}
