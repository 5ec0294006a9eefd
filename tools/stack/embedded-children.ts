import { join } from 'node:path';
import type { ChildSpec } from './child.ts';
import { nodeCommand } from './node-command.ts';
import { anvilCommand, DEV_CHAIN_ID, isChainReady } from './parts/anvil.ts';
import { keepPreviousState, repairState } from './parts/chain-state.ts';
import { pingPostgres, preparePostgres } from './parts/postgres.ts';
import { pingRedis, prepareRedis } from './parts/redis.ts';
import type { PlanInput } from './plan-input.ts';

/** Seconds between blocks of the embedded chain. */
export const BLOCK_TIME_SECONDS = 2;

/** Stages of shutdown: what is used leaves after what uses it. */
export const STAGE = { part: 0, provider: 1, gateway: 2, app: 3 } as const;

export const local = (port: number): string => `http://127.0.0.1:${port}`;

export function postgresChild(input: PlanInput): ChildSpec {
  const { ports, secrets, stateDir } = input;
  const port = ports.postgres;
  const url = `postgres://rejuve:${secrets.postgresPassword}@127.0.0.1:${port}/postgres`;
  return {
    name: 'postgres',
    kind: 'part',
    dependsOn: [],
    stage: STAGE.part,
    url: `postgres://127.0.0.1:${port}`,
    command: async () =>
      (await preparePostgres({ port, dir: join(stateDir, 'postgres'), password: secrets.postgresPassword }))
        .command,
    isReady: async () => (await pingPostgres(url)) === undefined,
  };
}

export function redisChild(input: PlanInput): ChildSpec {
  const { ports, secrets, stateDir, onProgress } = input;
  const port = ports.redis;
  const url = `redis://:${secrets.redisPassword}@127.0.0.1:${port}`;
  return {
    name: 'redis',
    kind: 'part',
    dependsOn: [],
    stage: STAGE.part,
    url: `redis://127.0.0.1:${port}`,
    command: async () =>
      (
        await prepareRedis({
          port,
          dir: join(stateDir, 'redis'),
          password: secrets.redisPassword,
          durable: true,
          onProgress,
        })
      ).command,
    isReady: async () => (await pingRedis(url)) === undefined,
  };
}

export function chainChild(input: PlanInput): ChildSpec {
  const port = input.ports.anvil;
  const stateFile = join(input.stateDir, 'chain', 'state.json');
  return {
    name: 'anvil',
    kind: 'part',
    dependsOn: [],
    stage: STAGE.part,
    url: local(port),
    command: () => {
      const repaired = repairState(stateFile);
      if (repaired === 'restored')
        input.onProgress('the chain was killed while it was saved: it starts from the save before');
      if (repaired === 'lost')
        input.onProgress('the saved chain is torn and starts afresh: run `make reset` if services disagree');
      return anvilCommand({ port, blockTimeSeconds: BLOCK_TIME_SECONDS, stateFile });
    },
    isReady: async () => {
      const ready = await isChainReady(local(port), DEV_CHAIN_ID);
      if (ready) keepPreviousState(stateFile);
      return ready;
    },
  };
}

/** One of the two providers: a front before the embedded chain that can be told to misbehave. */
export function providerChild(name: 'alpha' | 'beta', input: PlanInput): ChildSpec {
  const { ports, stateDir } = input;
  const chain = `127.0.0.1:${ports.anvil}`;
  return {
    name,
    kind: 'provider',
    dependsOn: ['anvil'],
    stage: STAGE.provider,
    url: local(ports[name]),
    command: () =>
      nodeCommand(
        'tools/simulator/main.ts',
        [
          ...['--name', name, '--upstream', `http://${chain}`, '--upstream-ws', `ws://${chain}`],
          ...['--port', `${ports[name]}`, '--control-port', `${ports[`${name}-control`]}`],
        ],
        {},
        stateDir,
      ),
    isReady: () => isChainReady(local(ports[name]), DEV_CHAIN_ID),
  };
}
