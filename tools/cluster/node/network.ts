import { execFileSync } from 'node:child_process';

/**
 * The addresses of one cluster, all inside one /16. The node has a network namespace of its own; a veth pair joins it
 * to the machine, which therefore reaches the API server, Services and Pods, while nobody outside the machine does.
 */
export interface Network {
  /** `10.213`; everything below starts with it. */
  readonly prefix: string;
  /** The machine's end of the cable. */
  readonly host: string;
  /** The node: API server, kubelet. */
  readonly node: string;
  readonly linkCidrBits: number;
  readonly podCidr: string;
  readonly serviceCidr: string;
  /** The first Service address, which Kubernetes gives to its own API. */
  readonly apiService: string;
  readonly dnsService: string;
  /** Name of the machine's end; interface names have at most 15 characters. */
  readonly link: string;
}

const FIRST = 213;
const LAST = 250;

export function networkAt(second: number): Network {
  const prefix = `10.${second}`;
  return {
    prefix,
    host: `${prefix}.0.1`,
    node: `${prefix}.0.2`,
    linkCidrBits: 30,
    podCidr: `${prefix}.64.0/18`,
    serviceCidr: `${prefix}.128.0/17`,
    apiService: `${prefix}.128.1`,
    dnsService: `${prefix}.128.10`,
    link: `rejuve-${second}`,
  };
}

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

/** True when a route's destination (`10.0.0.0/8`, `10.213.0.1`) and the /16 of `second` share an address. */
export function overlaps(destination: string, second: number): boolean {
  const [address = '', bits = '32'] = destination.split('/');
  if (!/^\d+(\.\d+){3}$/.test(address)) return false;
  const size = 2 ** (32 - Math.min(Number(bits), 32));
  const start = Math.floor(toNumber(address) / size) * size;
  const ours = toNumber(`10.${second}.0.0`);
  return start < ours + 65_536 && ours < start + size;
}

/**
 * The first /16 from 10.213 on that no route of this machine leads to. `CLUSTER_SUBNET=10.220` chooses one.
 * Throws with a sentence when none is free or the chosen one is taken.
 */
export function chooseNetwork(
  wanted: string | undefined = process.env.CLUSTER_SUBNET,
  routes: readonly string[] = machineRoutes(),
): Network {
  // A default route and a private /8 that goes to a VPN are wider than us: longer prefixes win, so they do not clash.
  const taken = (second: number): string | undefined =>
    routes.find((route) => Number(route.split('/')[1] ?? 32) >= 12 && overlaps(route, second));
  if (wanted) {
    const second = Number(/^10\.(\d{1,3})$/.exec(wanted)?.[1] ?? Number.NaN);
    if (!(second >= 0 && second <= 255))
      throw new Error(`CLUSTER_SUBNET must look like 10.220 (a /16 of 10.0.0.0/8), not "${wanted}"`);
    const clash = taken(second);
    if (clash) throw new Error(`CLUSTER_SUBNET ${wanted} is in use on this machine (route to ${clash})`);
    return networkAt(second);
  }
  for (let second = FIRST; second <= LAST; second++) if (!taken(second)) return networkAt(second);
  throw new Error(
    `no free network from 10.${FIRST} to 10.${LAST} on this machine: set CLUSTER_SUBNET=10.N to one that is`,
  );
}

/** Destinations of the machine's IPv4 routes. */
function machineRoutes(): string[] {
  const rows = execFileSync('ip', ['-4', 'route', 'show', 'table', 'all'], { encoding: 'utf8' }).split('\n');
  return rows.flatMap((row) => {
    const words = row.trim().split(/\s+/);
    const [first = '', second = ''] = words;
    return ['local', 'broadcast', 'unicast', 'blackhole'].includes(first) ? [second] : [first];
  });
}

/** Joins the namespace of `pid` to the machine. Everything goes by itself when the namespace does. */
export function plugIn(network: Network, pid: number): void {
  const ip = (...args: string[]): void => {
    execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  ip('link', 'add', network.link, 'type', 'veth', 'peer', 'name', 'uplink', 'netns', String(pid));
  ip('address', 'add', `${network.host}/${network.linkCidrBits}`, 'dev', network.link);
  ip('link', 'set', network.link, 'up');
  const inside = (...args: string[]): void => {
    execFileSync('nsenter', ['--target', String(pid), '--net', 'ip', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  };
  inside('link', 'set', 'lo', 'up');
  inside('address', 'add', `${network.node}/${network.linkCidrBits}`, 'dev', 'uplink');
  inside('link', 'set', 'uplink', 'up');
  // kube-proxy answers for Service addresses only where a route exists to begin with.
  inside('route', 'add', 'default', 'via', network.host);
  for (const cidr of [network.podCidr, network.serviceCidr]) ip('route', 'add', cidr, 'via', network.node);
}

/** Takes the machine's end away, should it still be there. */
export function unplug(network: Network): void {
  try {
    execFileSync('ip', ['link', 'delete', network.link], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    // It went with the namespace, as it should.
    if (!/Cannot find device/.test(String((error as { stderr?: Buffer }).stderr))) throw error;
  }
}
