import { describe, expect, it } from '@jest/globals';
import type { Exclusion, Provider } from './provider.ts';
import { type ProviderConfig, providerFromUrl } from './provider-config.ts';
import { type RankInput, rankProviders } from './ranking.ts';

function input(
  id: string,
  facts: Partial<Omit<RankInput, 'provider'>> & { config?: Partial<ProviderConfig> } = {},
): RankInput {
  const { config, ...rest } = facts;
  const provider = { id, config: { ...providerFromUrl(id, `http://${id}`), ...config } } as Provider;
  return { provider, excluded: undefined, errorRate: 0, latencyMs: 10, lag: 0, ...rest };
}
const order = (inputs: readonly RankInput[], primary?: string): string[] =>
  rankProviders(inputs, primary).map(({ provider }) => provider.id);

describe('ranking', () => {
  it('prefers who answers, answers fast and is up to date', () => {
    expect(order([input('errs', { errorRate: 0.3 }), input('well')])).toEqual(['well', 'errs']);
    expect(order([input('slow', { latencyMs: 150 }), input('fast')])).toEqual(['fast', 'slow']);
    expect(order([input('behind', { lag: 2 }), input('ahead')])).toEqual(['ahead', 'behind']);
  });

  it('keeps the primary unless another is clearly better', () => {
    expect(order([input('a', { latencyMs: 12 }), input('b')], 'a')).toEqual(['a', 'b']);
    expect(order([input('a', { latencyMs: 60 }), input('b')], 'a')).toEqual(['b', 'a']);
  });

  it('lets the price decide between equals, also against the primary', () => {
    const dear = input('dear', { config: { pricePerMillionUnits: 2 } });
    expect(order([dear, input('cheap', { config: { pricePerMillionUnits: 1 } })], 'dear')).toEqual([
      'cheap',
      'dear',
    ]);
    expect(
      order([dear, input('cheap', { errorRate: 0.2, config: { pricePerMillionUnits: 1 } })], 'dear'),
    ).toEqual(['dear', 'cheap']);
  });

  it('uses a higher tier only after the lower one', () => {
    expect(
      order([input('reserve', { latencyMs: 1, config: { tier: 2 } }), input('regular', { latencyMs: 90 })]),
    ).toEqual(['regular', 'reserve']);
  });

  it('puts the excluded last, those with the lesser fault first', () => {
    const out = (id: string, excluded: Exclusion): RankInput => input(id, { excluded });
    expect(
      order([
        out('wrong', 'wrong-chain'),
        out('late', 'lagging'),
        input('well', { latencyMs: 500 }),
        out('sick', 'unhealthy'),
      ]),
    ).toEqual(['well', 'late', 'sick', 'wrong']);
  });

  it('says why', () => {
    const [first] = rankProviders([input('a', { errorRate: 0.5, lag: 1 })], 'a');
    expect(first?.reasons).toEqual([
      'tier 1',
      'weight 1',
      'errors 50.0 % → ×0.13',
      'median 10.0 ms → ×1.00',
      '1 block behind → ×0.50',
      'primary now → ×1.18',
    ]);
  });
});
