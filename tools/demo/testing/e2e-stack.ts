import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resetStack } from '../../stack/shutdown.ts';
import { type Stack, startStack } from '../../stack/start-stack.ts';
import { openStack, type StackAccess } from '../stack-access.ts';

/** A whole platform of a test's own: its state in a temporary folder, its ports chosen free. */
export interface E2eStack {
  readonly stack: Stack;
  readonly access: StackAccess;
  readonly stateDir: string;
  /** The end of every service's log, for a failed test. */
  logs(): Promise<string>;
  /** Stops everything and removes its state. */
  stop(): Promise<void>;
}

const LOG_CHARACTERS = 3_000;

export async function startE2eStack(): Promise<E2eStack> {
  const stateDir = await mkdtemp(join(tmpdir(), 'rejuve-e2e-'));
  // Servers of the machine that runs the tests are none of this platform's.
  const {
    DATABASE_URL: _database,
    REDIS_URL: _redis,
    RPC_URLS: _rpc,
    CONTRACTS_FILE: _contracts,
    ...env
  } = process.env;
  const forget = async () => {
    await resetStack(stateDir);
    await rm(stateDir, { recursive: true, force: true });
  };
  const stack = await startStack({ stateDir, ports: 'free', quiet: true, env }).catch(
    async (error: unknown) => {
      await forget();
      throw error;
    },
  );
  return {
    stack,
    access: openStack(stateDir),
    stateDir,
    async logs() {
      const children = Object.entries(stack.state().children).filter(([, child]) => child.kind === 'service');
      const texts = children.map(async ([name, child]) => {
        const text = await readFile(child.log, 'utf8').catch((error: Error) => error.message);
        // Served requests are many and tell little; what else was logged is what explains.
        const lines = text.split('\n').filter((line) => !line.includes('"msg":"request"'));
        return `--- ${name}\n${lines.join('\n').slice(-LOG_CHARACTERS)}`;
      });
      return (await Promise.all(texts)).join('\n');
    },
    async stop() {
      await stack.stop();
      await forget();
    },
  };
}
