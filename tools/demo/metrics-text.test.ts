import { describe, expect, it } from '@jest/globals';
import { parseMetrics, sumOf } from './metrics-text.ts';

const TEXT = `# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{method="eth_call",outcome="ok"} 3
calls_total{method="eth_call",outcome="a \\"b\\" \\\\ c"} 4 1700000000000
calls_total{method="eth_getLogs",outcome="ok"} 5
latency_bucket{le="+Inf"} 7
up 1
lag NaN
`;

describe('parseMetrics', () => {
  const samples = parseMetrics(TEXT);

  it('reads names, labels with escapes, and values', () => {
    expect(samples).toHaveLength(6);
    expect(samples[1]).toEqual({
      name: 'calls_total',
      labels: { method: 'eth_call', outcome: 'a "b" \\ c' },
      value: 4,
    });
    expect(samples[5]?.value).toBeNaN();
  });

  it('sums what matches', () => {
    expect(sumOf(samples, 'calls_total')).toBe(12);
    expect(sumOf(samples, 'calls_total', { method: 'eth_call' })).toBe(7);
    expect(sumOf(samples, 'absent')).toBe(0);
  });

  it('refuses what is not the format', () => {
    expect(() => parseMetrics('<html>')).toThrow('not a line of the Prometheus text format: <html>');
  });
});
