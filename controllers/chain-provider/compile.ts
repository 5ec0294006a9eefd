import { stringify } from 'yaml';
import type { Verdict } from './judge.ts';
import type { ProviderSpec } from './types.ts';

/** A provider with everything that is needed to hand it to the gateway. */
export interface Candidate {
  readonly name: string;
  readonly spec: ProviderSpec;
  readonly url: string;
  readonly wsUrl?: string;
  readonly verdict: Pick<Verdict, 'ready' | 'dangerous'>;
}

/**
 * The providers file of one chain, as the gateway reads it. Only healthy providers go in. When none is healthy, all
 * that are not dangerous go in: an outage of the prober must not become an outage of the platform, and the gateway
 * judges by its own traffic. Undefined when there is nothing to hand over; the present file is then left alone.
 */
export function compileProviders(chainId: number, candidates: readonly Candidate[]): string | undefined {
  const possible = candidates.filter((candidate) => !candidate.verdict.dangerous && !candidate.spec.cordoned);
  const healthy = possible.filter((candidate) => candidate.verdict.ready);
  const chosen = distinct(
    (healthy.length > 0 ? healthy : possible).toSorted((a, b) => a.name.localeCompare(b.name)),
  );
  if (chosen.length === 0) return undefined;
  return stringify({
    chainId,
    providers: chosen.map(({ name, spec, url, wsUrl }) => ({
      id: providerId(name),
      url: escapeReferences(url),
      ...(wsUrl ? { wsUrl: escapeReferences(wsUrl) } : {}),
      tier: Math.min(9, spec.tier),
      weight: spec.weight,
      pricePerMillionUnits: Number(spec.pricePerMillionUnits),
      limits: {
        maxInFlight: spec.limits.maxInFlight,
        ...(spec.limits.callsPerSecond === undefined ? {} : { callsPerSecond: spec.limits.callsPerSecond }),
        ...(spec.limits.maxLogRange === undefined ? {} : { maxLogRange: spec.limits.maxLogRange }),
      },
      methods: { allow: spec.methods.allow, deny: spec.methods.deny },
    })),
  });
}

/** The gateway's names begin with a letter, know no dots and are at most 41 long. */
export const providerId = (name: string): string => {
  const id = name.replaceAll('.', '-');
  return (/^[a-z]/.test(id) ? id : `p-${id}`).slice(0, 41);
};

/** `${` would be read as a reference to a variable of the gateway. */
const escapeReferences = (text: string): string => text.replaceAll('${', () => '$${');

/** One endpoint must not count as two witnesses of a head; ids must differ after shortening. */
function distinct(candidates: readonly Candidate[]): Candidate[] {
  const urls = new Set<string>();
  const ids = new Set<string>();
  return candidates.filter(({ url, name }) => {
    if (urls.has(url) || ids.has(providerId(name))) return false;
    urls.add(url);
    ids.add(providerId(name));
    return true;
  });
}
