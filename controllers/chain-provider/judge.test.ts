import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { compileProviders } from './compile.ts';
import { parseAttempts } from './gateway-traffic.ts';
import { countProbe, type Health, judge, nextProbeMs, type ProbeResult, unknownHealth } from './judge.ts';
import { type ProviderSpecInput, providerSpecSchema } from './types.ts';

const spec = (overrides: Partial<ProviderSpecInput> = {}) =>
  providerSpecSchema.parse({ chainId: 1, endpointSecretRef: { name: 's' }, ...overrides });
const good = (overrides: Partial<Extract<ProbeResult, { ok: true }>> = {}): ProbeResult => ({
  ok: true,
  chainId: 1,
  head: 100,
  latencyMs: 20,
  clientVersion: 'x',
  missingMethods: [],
  ...overrides,
});
/** A URL that happens to hold what the gateway reads as a reference. */
const REFERENCE_TAIL = ['$', '{KEY}'].join('');
const REFERENCE = `https://x/${REFERENCE_TAIL}`;
const bad: ProbeResult = { ok: false, error: 'connect ECONNREFUSED' };
const healthAfter = (...results: ProbeResult[]): Health =>
  results.reduce((health, result) => countProbe(health, result, spec().probe), unknownHealth);

describe('the health of a provider', () => {
  it('is decided by the first probe, and changes only after several in a row', () => {
    expect(healthAfter().healthy).toBeUndefined();
    expect(healthAfter(bad).healthy).toBe(false);
    expect(healthAfter(good()).healthy).toBe(true);
    expect(healthAfter(good(), bad, bad).healthy).toBe(true);
    expect(healthAfter(good(), bad, bad, bad).healthy).toBe(false);
    expect(healthAfter(good(), bad, good(), bad, good(), bad).healthy).toBe(true);
    expect(healthAfter(bad, good()).healthy).toBe(false);
    expect(healthAfter(bad, good(), good()).healthy).toBe(true);
  });

  it('is looked at closely after a surprise, and often while everybody waits for its return', () => {
    const next = (...results: ProbeResult[]): number => nextProbeMs(healthAfter(...results), spec().probe);
    expect(next(good())).toBe(15_000);
    expect(next(good(), bad)).toBe(1_000);
    expect(next(good(), bad, bad)).toBe(3_000);
    expect(next(good(), bad, bad, bad)).toBe(3_000);
    expect(next(good(), bad, bad, bad, good())).toBe(1_000);
    expect(next(good(), bad, bad, bad, good(), good())).toBe(15_000);
  });

  it.each([
    ['WrongChain', spec(), healthAfter(good({ chainId: 5 })), undefined, undefined],
    ['Cordoned', spec({ cordoned: true }), healthAfter(good()), undefined, undefined],
    ['NotProbedYet', spec(), unknownHealth, undefined, undefined],
    ['Unreachable', spec(), healthAfter(bad), undefined, undefined],
    ['HeadStale', spec(), healthAfter(good({ head: 90 })), 100, undefined],
    ['ArchiveMissing', spec({ archive: true }), healthAfter(good({ archive: false })), 100, undefined],
    ['MethodMissing', spec(), healthAfter(good({ missingMethods: ['trace_block'] })), 100, undefined],
    [
      'TrafficFailing',
      spec(),
      healthAfter(good()),
      100,
      { callsPerSecond: 10, throttledPercent: 0, errorPercent: 80 },
    ],
    [
      'Serving',
      spec(),
      healthAfter(good({ head: 95 })),
      100,
      { callsPerSecond: 0.1, throttledPercent: 0, errorPercent: 100 },
    ],
  ])('is told with the reason %s', (reason, given, health, best, traffic) => {
    const verdict = judge(given, health, best, traffic);
    expect(verdict.reason).toBe(reason);
    expect(verdict.message.length).toBeGreaterThan(10);
  });
});

describe('the compiled set', () => {
  const candidate = (
    name: string,
    ready: boolean,
    overrides: { dangerous?: boolean; url?: string } = {},
  ) => ({
    name,
    spec: spec({ limits: { callsPerSecond: 7 }, pricePerMillionUnits: '0.25' }),
    url: overrides.url ?? `https://${name}/key`,
    verdict: { ready, dangerous: overrides.dangerous ?? false },
  });
  const ids = (file: string | undefined) =>
    (parse(file ?? '') as { providers: { id: string }[] } | null)?.providers.map((p) => p.id);

  it('holds the healthy ones, in a stable order', () => {
    const list = [candidate('c', true), candidate('a', true), candidate('b', false)];
    expect(ids(compileProviders(1, list))).toEqual(['a', 'c']);
    expect(compileProviders(1, list)).toBe(compileProviders(1, list.toReversed()));
  });

  it('never becomes empty because of the prober, and never takes a dangerous one', () => {
    expect(ids(compileProviders(1, [candidate('a', false), candidate('b', false)]))).toEqual(['a', 'b']);
    expect(compileProviders(1, [candidate('liar', false, { dangerous: true })])).toBeUndefined();
  });

  it('speaks the language of the gateway’s providers file', () => {
    const file = compileProviders(1, [
      candidate('a.b', true, { url: REFERENCE }),
      candidate('twin', true, { url: REFERENCE }),
    ]);
    expect(parse(file ?? '')).toEqual({
      chainId: 1,
      providers: [
        {
          id: 'a-b',
          url: `https://x/$${REFERENCE_TAIL}`,
          tier: 1,
          weight: 1,
          pricePerMillionUnits: 0.25,
          limits: { maxInFlight: 1000, callsPerSecond: 7 },
          methods: { allow: [], deny: [] },
        },
      ],
    });
  });
});

it('traffic is summed from the gateway’s metrics by provider', () => {
  const text = [
    '# TYPE rpc_upstream_attempts_total counter',
    'rpc_upstream_attempts_total{provider="alpha",reason="first",outcome="ok",service="gateway"} 90',
    'rpc_upstream_attempts_total{provider="alpha",reason="retry",outcome="rate-limited",service="gateway"} 8',
    'rpc_upstream_attempts_total{provider="alpha",reason="first",outcome="timeout",service="gateway"} 2',
    'rpc_upstream_attempts_total{provider="beta",reason="first",outcome="ok",service="gateway"} 5',
  ].join('\n');
  expect(Object.fromEntries(parseAttempts(text))).toEqual({
    alpha: { total: 100, throttled: 8, failed: 2 },
    beta: { total: 5, throttled: 0, failed: 0 },
  });
});
