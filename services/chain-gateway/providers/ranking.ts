import type { Exclusion, Provider } from './provider.ts';

/** A new provider becomes primary only when its score is this much better: equal providers do not swap places all the time. */
const STICKINESS = 0.85;
/** Scores closer than this are a tie, broken by price. */
const TIE = 0.05;
/** Latency at which a provider loses half of its latency score, milliseconds above the fastest. */
const LATENCY_HALF_MS = 100;

/** One provider's place and why it is there; shown by /internal/providers. */
export interface RankedProvider {
  readonly provider: Provider;
  readonly score: number;
  /** The score without the advantage of being primary. */
  readonly merit: number;
  readonly excluded: Exclusion | undefined;
  readonly reasons: readonly string[];
}

/** The numbers that the score is made of. Kept apart from the provider so that ranking is a pure function. */
export interface RankInput {
  readonly provider: Provider;
  readonly excluded: Exclusion | undefined;
  readonly errorRate: number;
  /** Median of recent answers, milliseconds; undefined when it never answered. */
  readonly latencyMs: number | undefined;
  /** Blocks behind the best head. */
  readonly lag: number;
}

/**
 * Orders providers: usable ones first, then tier, then score; the current primary keeps its place unless another is
 * clearly better. Excluded providers stay in the list, last: if all are excluded, all are used.
 */
export function rankProviders(
  inputs: readonly RankInput[],
  currentPrimary: string | undefined,
): RankedProvider[] {
  const fastest = Math.min(...inputs.map((input) => input.latencyMs ?? Number.POSITIVE_INFINITY));
  const ranked = inputs.map((input) => scored(input, fastest, currentPrimary));
  return ranked.sort((a, b) => {
    if ((a.excluded === undefined) !== (b.excluded === undefined)) return a.excluded === undefined ? -1 : 1;
    if (a.excluded !== undefined && b.excluded !== undefined) {
      const severity = EXCLUSION_ORDER[a.excluded] - EXCLUSION_ORDER[b.excluded];
      if (severity !== 0) return severity;
    }
    const tier = a.provider.config.tier - b.provider.config.tier;
    if (tier !== 0) return tier;
    // Compared without the primary's advantage: it protects from flapping, not from a cheaper equal.
    const close = Math.abs(a.merit - b.merit) <= TIE * Math.max(a.merit, b.merit);
    if (close) {
      const price = a.provider.config.pricePerMillionUnits - b.provider.config.pricePerMillionUnits;
      if (price !== 0) return price;
      if (a.provider.id === currentPrimary) return -1;
      if (b.provider.id === currentPrimary) return 1;
    }
    return b.score - a.score || (a.provider.id < b.provider.id ? -1 : 1);
  });
}

/** Of the excluded, who is tried first when nobody else is left. A wrong chain is never tried at all. */
const EXCLUSION_ORDER: Readonly<Record<Exclusion, number>> = {
  unverified: 0,
  lagging: 1,
  unhealthy: 2,
  forked: 3,
  'breaker-open': 4,
  unresponsive: 5,
  unauthorized: 6,
  cordoned: 7,
  'wrong-chain': 8,
};

/** Exclusions that hold even when every other provider is out: a wrong answer is worse than none. */
export function isAbsolute(exclusion: Exclusion | undefined): boolean {
  return exclusion === 'wrong-chain' || exclusion === 'cordoned';
}

/**
 * Exclusions that say little or nothing against the answers: such a provider takes over when the others are at their
 * limit. A silence counts among them, because it may have been our own.
 */
export function isSoft(exclusion: Exclusion | undefined): boolean {
  return (
    exclusion === 'lagging' ||
    exclusion === 'forked' ||
    exclusion === 'unverified' ||
    exclusion === 'unresponsive'
  );
}

function scored(input: RankInput, fastest: number, currentPrimary: string | undefined): RankedProvider {
  const { provider, excluded, errorRate, latencyMs, lag } = input;
  const success = (1 - errorRate) ** 3;
  const behind = latencyMs === undefined || !Number.isFinite(fastest) ? 0 : Math.max(0, latencyMs - fastest);
  const speed = LATENCY_HALF_MS / (LATENCY_HALF_MS + behind);
  const freshness = 1 / (1 + lag);
  const merit = provider.config.weight * success * speed * freshness;
  let score = merit;
  const reasons = [
    `tier ${provider.config.tier}`,
    `weight ${provider.config.weight}`,
    `errors ${(errorRate * 100).toFixed(1)} % → ×${success.toFixed(2)}`,
    latencyMs === undefined ? 'no answer yet' : `median ${latencyMs.toFixed(1)} ms → ×${speed.toFixed(2)}`,
    `${lag} block${lag === 1 ? '' : 's'} behind → ×${freshness.toFixed(2)}`,
  ];
  if (excluded !== undefined) reasons.unshift(`excluded: ${excluded}`);
  if (provider.id === currentPrimary && excluded === undefined) {
    score = merit / STICKINESS;
    reasons.push(`primary now → ×${(1 / STICKINESS).toFixed(2)}`);
  }
  return { provider, score, merit, excluded, reasons };
}
