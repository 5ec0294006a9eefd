import { join } from 'node:path';
import type { ChildSpec } from './child.ts';
import type { Externals } from './externals.ts';
import { anvilCommand, DEV_CHAIN_ID, isChainReady } from './parts/anvil.ts';
import { keepPreviousState, repairState } from './parts/chain-state.ts';
import { type Command, plainEnvironment } from './parts/command.ts';
import { ensureDatabase, pingPostgres, preparePostgres } from './parts/postgres.ts';
import { pingRedis, prepareRedis } from './parts/redis.ts';
import type { Ports } from './ports.ts';
import { DEV_POOLS, type SecretFiles, type Secrets } from './secrets.ts';
import { type ServiceName, serviceEnvironments } from './service-environment.ts';
import { stateFile as stackStateFile } from './state.ts';
import type { TaskSpec } from './supervisor.ts';

/** Seconds between blocks of the embedded chain. */
export const BLOCK_TIME_SECONDS = 2;

const PROJECT = join(import.meta.dirname, '..', '..');

/** Stages of shutdown: what is used leaves after what uses it. */
const STAGE = { part: 0, provider: 1, gateway: 2, app: 3 } as const;

export interface PlanInput {
  readonly stateDir: string;
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly secretFiles: SecretFiles;
  readonly externals: Externals;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (line: string) => void;
}

export interface Plan {
  readonly children: ChildSpec[];
  readonly tasks: TaskSpec[];
  readonly urls: Record<string, string>;
  readonly credentials: Record<string, string>;
  readonly files: Record<string, string>;
  readonly chainId: number;
}

const local = (port: number): string => `http://127.0.0.1:${port}`;

/** A Node process of this project, without our own environment. */
function nodeCommand(
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

/** True when a service answers 200 at `/readyz`. */
export async function isServiceReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.status === 200;
  } catch {
    return false;
  }
}

function postgresChild(input: PlanInput): ChildSpec {
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

function redisChild(input: PlanInput): ChildSpec {
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

function chainChild(input: PlanInput): ChildSpec {
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
function providerChild(name: 'alpha' | 'beta', input: PlanInput): ChildSpec {
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

function serviceChild(
  name: ServiceName,
  entry: string,
  stage: number,
  dependsOn: string[],
  env: Record<string, string>,
  input: PlanInput,
): ChildSpec {
  const url = local(input.ports[name]);
  return {
    name,
    kind: 'service',
    dependsOn,
    stage,
    url,
    command: () => nodeCommand(entry, [], env, input.stateDir),
    isReady: () => isServiceReady(url),
  };
}

/** Deploys the contracts, or finds them on the chain already. Loaded when it is needed: it brings ethers. */
function contractsTask(rpcUrl: string, manifestFile: string, dependsOn: string[]): TaskSpec {
  return {
    name: 'contracts',
    dependsOn,
    run: async () => {
      const [{ deployContracts }, { devAccount }] = await Promise.all([
        import('../../contracts/deploy.ts'),
        import('../../contracts/dev-accounts.ts'),
      ]);
      await deployContracts({
        rpcUrl,
        manifestFile,
        deployerKey: devAccount(0).privateKey,
        treasury: DEV_POOLS.treasury.address,
        sponsor: DEV_POOLS.sponsor.address,
        lab: DEV_POOLS.lab.privateKey,
      });
    },
  };
}

/** Decides what runs, in which order, with which settings; starts nothing. */
export function planStack(input: PlanInput): Plan {
  const { externals, ports, secrets, secretFiles, stateDir, env } = input;
  const children: ChildSpec[] = [];
  const tasks: TaskSpec[] = [];
  const parts: string[] = [];

  const embeddedChain = externals.rpcUrls === undefined;
  const chainId = embeddedChain ? DEV_CHAIN_ID : (externals.chainId ?? DEV_CHAIN_ID);
  const rpcUrls = externals.rpcUrls ?? [local(ports.alpha), local(ports.beta)];
  const chainUrl = embeddedChain ? local(ports.anvil) : (rpcUrls[0] as string);
  const manifestFile = env.CONTRACTS_FILE || join(stateDir, `contracts-${chainId}.json`);

  // The keys of the development accounts are known to everybody: no other chain may see them used.
  const signersFile = env.SIGNERS_FILE || (chainId === DEV_CHAIN_ID ? secretFiles.signers : undefined);

  const postgresUrl =
    externals.databaseUrl ??
    `postgres://rejuve:${secrets.postgresPassword}@127.0.0.1:${ports.postgres}/rejuve`;
  const redisUrl = externals.redisUrl ?? `redis://:${secrets.redisPassword}@127.0.0.1:${ports.redis}`;

  if (externals.databaseUrl === undefined) {
    children.push(postgresChild(input));
    tasks.push({
      name: 'database',
      dependsOn: ['postgres'],
      run: async () => {
        const admin = new URL(postgresUrl);
        admin.pathname = '/postgres';
        await ensureDatabase(admin.href, 'rejuve');
      },
    });
    parts.push('database');
  }
  if (externals.redisUrl === undefined) {
    children.push(redisChild(input));
    parts.push('redis');
  }
  if (embeddedChain) {
    children.push(chainChild(input), providerChild('alpha', input), providerChild('beta', input));
  }
  if (chainId === DEV_CHAIN_ID && !env.CONTRACTS_FILE) {
    tasks.push(contractsTask(chainUrl, manifestFile, embeddedChain ? ['anvil'] : []));
    parts.push('contracts');
  }

  const environments = serviceEnvironments({
    ...{
      ports,
      secrets,
      secretFiles,
      postgresUrl,
      redisUrl,
      rpcUrls,
      chainId,
      manifestFile,
      signersFile,
      stateDir,
    },
    logLevel: env.LOG_LEVEL || 'info',
  });
  const gatewayParts = embeddedChain ? [...parts, 'alpha', 'beta'] : parts;
  const gateway = 'services/chain-gateway';
  for (const [name, entry, stage, dependsOn] of [
    ['gateway', `${gateway}/main.ts`, STAGE.gateway, gatewayParts],
    ['gateway-worker', `${gateway}/worker.ts`, STAGE.gateway, gatewayParts],
    ['gateway-indexer', `${gateway}/indexer.ts`, STAGE.gateway, gatewayParts],
    ['user', 'services/user/main.ts', STAGE.app, parts],
    ['api', 'services/api/main.ts', STAGE.app, parts],
  ] as const) {
    children.push(serviceChild(name, entry, stage, [...dependsOn], environments[name], input));
  }

  const pools = Object.entries(DEV_POOLS).flatMap(([alias, account]) => [
    [`${alias}Address`, account.address],
    [`${alias}PrivateKey`, account.privateKey],
  ]);
  return {
    children,
    tasks,
    chainId,
    urls: {
      gateway: local(ports.gateway),
      gatewayWorker: local(ports['gateway-worker']),
      gatewayIndexer: local(ports['gateway-indexer']),
      api: local(ports.api),
      user: local(ports.user),
      rpc: `${local(ports.gateway)}/rpc/${chainId}`,
      chain: chainUrl,
      database: postgresUrl,
      redis: redisUrl,
      ...(embeddedChain
        ? {
            alpha: local(ports.alpha),
            beta: local(ports.beta),
            alphaControl: local(ports['alpha-control']),
            betaControl: local(ports['beta-control']),
          }
        : {}),
    },
    credentials: {
      apiKey: secrets.apiKey,
      serviceAuthKeys: secrets.serviceAuthKeys,
      ...(chainId === DEV_CHAIN_ID ? Object.fromEntries(pools) : {}),
    },
    files: {
      contracts: manifestFile,
      ...(signersFile === undefined ? {} : { signers: signersFile }),
      jwtKeys: secretFiles.jwtKeys,
      logs: join(stateDir, 'logs'),
      state: stackStateFile(stateDir),
    },
  };
}
