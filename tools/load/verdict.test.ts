import { describe, expect, it } from '@jest/globals';
import { verdictOf, verdictTable } from './verdict.ts';

const summary = (ok: boolean) => ({
  state: { testRunDurationMs: 1 },
  metrics: {
    'http_req_duration{slo:api}': {
      type: 'trend',
      values: { 'p(99)': 612.34, med: 12, max: 900 },
      thresholds: { 'p(99)<500': { ok } },
    },
    'http_req_failed{slo:user}': {
      type: 'rate',
      values: { rate: 0.0004 },
      thresholds: { 'rate<0.001': { ok: true } },
    },
    'http_reqs{slo:api}': { type: 'counter', values: { count: 0 }, thresholds: { 'count>0': { ok: false } } },
    vus: { type: 'gauge', values: { value: 1 } },
  },
});

describe('verdict', () => {
  it('says what was promised, what was measured, and whether it was kept', () => {
    expect(verdictOf(summary(false))).toEqual([
      {
        what: 'API: answers in time',
        promised: 'p(99) < 500',
        measured: 'p(99) 612.3 ms (median 12.0, max 900)',
        kept: false,
      },
      {
        what: 'user service: answers with an error',
        promised: 'rate < 0.001',
        measured: '0.040 %',
        kept: true,
      },
      {
        what: 'API: was asked at all (an empty run proves nothing)',
        promised: 'count > 0',
        measured: '0',
        kept: false,
      },
    ]);
  });

  it('marks broken promises in the table', () => {
    const lines = verdictTable(verdictOf(summary(false))).split('\n');
    expect(lines[1]).toContain('✗');
    expect(lines[2]).toContain('✓');
  });
});
