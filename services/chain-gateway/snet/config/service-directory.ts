import { AppError } from '../../../../lib/errors.ts';
import { nearest } from '../../../../lib/nearest.ts';
import type { SnetFile, SnetServiceSettings } from './snet-schema.ts';

/** Who is paid, and how far ahead a channel must be valid. */
export interface PaymentGroup {
  readonly org: string;
  readonly name: string;
  /** Base64. */
  readonly id: string;
  readonly recipient: string;
  readonly expirationThreshold: bigint;
}

/** A service with everything that a call needs to know. */
export interface SnetService {
  readonly org: string;
  readonly id: string;
  readonly group: PaymentGroup;
  readonly endpoints: readonly string[];
  readonly settings: SnetServiceSettings;
  /** Price of a method (`package.Service/Method`), cogs. */
  price(method: string): bigint;
}

export interface ServiceDirectory {
  all(): readonly SnetService[];
  groups(): readonly PaymentGroup[];
  /** @throws AppError not_found naming the nearest organisation or service */
  find(org: string, service: string): SnetService;
}

/** What the registry may add to the file; the file wins. */
export interface RegistryFacts {
  readonly groups: Readonly<
    Record<
      string,
      { id: string; recipient: string; expirationThreshold: number; endpoints?: readonly string[] }
    >
  >;
  readonly services: Readonly<
    Record<
      string,
      {
        group: string;
        endpoints: readonly string[];
        price?: bigint | undefined;
        prices: Readonly<Record<string, bigint>>;
        freeCalls: number;
      }
    >
  >;
}

const nearestOr = (word: string, known: readonly string[]): string => {
  const guess = nearest(word, known);
  return guess ? `did you mean ${guess}?` : `known: ${known.join(', ') || 'none'}`;
};

/** @throws Error naming the service for which something is missing in both places */
export function createServiceDirectory(
  file: SnetFile,
  registry: ReadonlyMap<string, RegistryFacts> = new Map(),
): ServiceDirectory {
  const services = new Map<string, SnetService>();
  const groups = new Map<string, PaymentGroup>();
  for (const [org, settings] of Object.entries(file.organizations)) {
    const facts = registry.get(org);
    const ofOrg = { ...facts?.groups, ...settings.groups };
    for (const [name, g] of Object.entries(ofOrg)) {
      groups.set(`${org}/${name}`, {
        org,
        name,
        id: g.id,
        recipient: g.recipient,
        expirationThreshold: BigInt(g.expirationThreshold),
      });
    }
    for (const [id, service] of Object.entries(settings.services)) {
      const published = facts?.services[id];
      const groupName = service.group ?? published?.group ?? Object.keys(ofOrg)[0] ?? '';
      const group = groups.get(`${org}/${groupName}`);
      const endpoints = service.endpoints ?? published?.endpoints ?? ofOrg[groupName]?.endpoints;
      const fixed = service.price ?? published?.price;
      const missing = [
        ...(group ? [] : [`group ${groupName || '(none)'}`]),
        ...(endpoints?.length ? [] : ['endpoints']),
        ...(fixed === undefined && service.payment.some((mode) => mode !== 'free') ? ['price'] : []),
      ];
      if (!group || !endpoints || missing.length > 0)
        throw new Error(
          `service ${org}/${id}: neither SNET_FILE nor the registry tells ${missing.join(', ')}`,
        );
      const prices = { ...published?.prices, ...service.prices };
      services.set(`${org}/${id}`, {
        org,
        id,
        group,
        endpoints,
        settings: service,
        price: (method) => prices[method] ?? fixed ?? 0n,
      });
    }
  }
  const all = [...services.values()];
  return {
    all: () => all,
    groups: () => [...new Set(all.map((service) => service.group))],
    find(org, id) {
      const found = services.get(`${org}/${id}`);
      if (found) return found;
      const orgs = Object.keys(file.organizations);
      if (!orgs.includes(org))
        throw new AppError('not_found', `There is no organisation ${org}; ${nearestOr(org, orgs)}`);
      const ids = all.filter((service) => service.org === org).map((service) => service.id);
      throw new AppError('not_found', `Organisation ${org} has no service ${id}; ${nearestOr(id, ids)}`);
    },
  };
}
