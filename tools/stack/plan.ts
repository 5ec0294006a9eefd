import { join } from 'node:path';
import type { ChildSpec } from './child.ts';
import { chainChild, local, postgresChild, providerChild, redisChild, STAGE } from './embedded-children.ts';
import { nodeCommand } from './node-command.ts';
import { DEV_CHAIN_ID } from './parts/anvil.ts';
import { ensureDatabase } from './parts/postgres.ts';
import type { PlanInput } from './plan-input.ts';
import { DEV_POOLS } from './secrets.ts';
import { type ServiceName, serviceEnvironments } from './service-environment.ts';
import { snetDaemonChild, writeSnetFile } from './snet-child.ts';
import { stateFile as stackStateFile } from './state.ts';
import type { TaskSpec } from './supervisor.ts';

export interface Plan {
  readonly children: ChildSpec[];
  readonly tasks: TaskSpec[];
  readonly urls: Record<string, string>;
  readonly credentials: Record<string, string>;
  readonly files: Record<string, string>;
  readonly chainId: number;
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
    if (embeddedChain) children.push(snetDaemonChild(input, manifestFile));
  }

  const withSnet = embeddedChain && !env.CONTRACTS_FILE;
  const environments = serviceEnvironments({
    ...(env.SNET_FILE ? { snetFile: env.SNET_FILE } : withSnet ? { snetFile: writeSnetFile(input) } : {}),
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
    // A developer who asks for traces wants all of them.
    tracing: env.OTEL_EXPORTER_OTLP_ENDPOINT
      ? {
          OTEL_EXPORTER_OTLP_ENDPOINT: env.OTEL_EXPORTER_OTLP_ENDPOINT,
          OTEL_TRACES_SAMPLER_ARG: env.OTEL_TRACES_SAMPLER_ARG || '1',
        }
      : {},
  });
  const gatewayParts = embeddedChain ? [...parts, 'alpha', 'beta'] : parts;
  const gateway = 'services/chain-gateway';
  for (const [name, entry, stage, dependsOn] of [
    ['gateway', `${gateway}/main.ts`, STAGE.gateway, gatewayParts],
    ['gateway-worker', `${gateway}/worker.ts`, STAGE.gateway, gatewayParts],
    ['gateway-indexer', `${gateway}/indexer.ts`, STAGE.gateway, gatewayParts],
    ['user', 'services/user/main.ts', STAGE.app, parts],
    ['api', 'services/api/main.ts', STAGE.app, parts],
    ['console', 'console/server/main.ts', STAGE.app, parts],
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
      console: local(ports.console),
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
            snetDaemon: local(ports['snet-daemon']),
            snetControl: local(ports['snet-control']),
          }
        : {}),
    },
    credentials: {
      apiKey: secrets.apiKey,
      consolePassword: secrets.consolePassword,
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
