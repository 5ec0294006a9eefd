import { freePort, isPortFree } from './parts/free-port.ts';

/** The ports of the stack: name, default, and the variable that asks for another. */
export const PORTS = {
  gateway: { default: 4000, variable: 'GATEWAY_PORT' },
  'gateway-worker': { default: 4001, variable: 'GATEWAY_WORKER_PORT' },
  'gateway-indexer': { default: 4002, variable: 'GATEWAY_INDEXER_PORT' },
  control: { default: 4090, variable: 'STACK_CONTROL_PORT' },
  api: { default: 4100, variable: 'API_PORT' },
  user: { default: 4200, variable: 'USER_PORT' },
  console: { default: 4400, variable: 'CONSOLE_PORT' },
  anvil: { default: 8545, variable: 'ANVIL_PORT' },
  alpha: { default: 8601, variable: 'ALPHA_PORT' },
  beta: { default: 8602, variable: 'BETA_PORT' },
  'alpha-control': { default: 8611, variable: 'ALPHA_CONTROL_PORT' },
  'beta-control': { default: 8612, variable: 'BETA_CONTROL_PORT' },
  'snet-daemon': { default: 8621, variable: 'SNET_DAEMON_PORT' },
  'snet-control': { default: 8622, variable: 'SNET_CONTROL_PORT' },
  // Not the usual 5432 and 6379: those belong to the servers that people run for themselves.
  postgres: { default: 15432, variable: 'POSTGRES_PORT' },
  redis: { default: 16379, variable: 'REDIS_PORT' },
} as const;

export type PortName = keyof typeof PORTS;
export type Ports = Record<PortName, number>;

/** A port that was asked for and cannot be had, or is no port at all. */
export class PortError extends Error {
  override readonly name = 'PortError';
}

/** One default that was taken, and what is used instead. */
export interface MovedPort {
  readonly name: PortName;
  readonly wanted: number;
  readonly chosen: number;
}

/**
 * Chooses a port for everything: the one asked for in the environment (which must be free), else the default,
 * else, when that is taken, a free one.
 *
 * @param mode `free` ignores the defaults, for stacks that run beside others
 * @throws PortError when a port that was asked for is taken or no number from 1 to 65535
 */
export async function choosePorts(
  env: NodeJS.ProcessEnv,
  mode: 'defaults' | 'free' = 'defaults',
  isFree: (port: number) => Promise<boolean> = isPortFree,
  anyFree: () => Promise<number> = freePort,
): Promise<{ ports: Ports; moved: MovedPort[] }> {
  const taken = new Set<number>();
  const moved: MovedPort[] = [];
  const ports = {} as Ports;
  const names = Object.keys(PORTS) as PortName[];

  // What was asked for goes first, so that no default takes it.
  for (const name of names) {
    const { variable } = PORTS[name];
    const text = mode === 'free' ? undefined : env[variable];
    if (text === undefined || text === '') continue;
    const port = Number(text);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new PortError(`${variable}=${text} is no port: give a number from 1 to 65535.`);
    }
    if (taken.has(port)) throw new PortError(`${variable}=${text} was given to another part as well.`);
    if (!(await isFree(port))) {
      throw new PortError(
        `${variable}=${text}, but something listens on port ${port} already. Stop it or choose another port.`,
      );
    }
    taken.add(port);
    ports[name] = port;
  }
  for (const name of names) {
    if (ports[name] !== undefined) continue;
    const wanted: number = PORTS[name].default;
    let port = wanted;
    if (mode === 'free' || taken.has(wanted) || !(await isFree(wanted))) {
      do port = await anyFree();
      while (taken.has(port));
      if (mode !== 'free') moved.push({ name, wanted, chosen: port });
    }
    taken.add(port);
    ports[name] = port;
  }
  return { ports, moved };
}
