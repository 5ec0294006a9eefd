import { describe, expect, it } from '@jest/globals';
import { bucketsOf, matcherOf, parseExposition, quantileBetween, sumBy, sumOf } from './exposition.ts';

const TEXT = `# HELP http_request_duration_seconds Time
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.1",route="/v1/{id}",status="200"} 8 # {trace_id="abc"} 0.05 1.0
http_request_duration_seconds_bucket{le="0.5",route="/v1/{id}",status="200"} 9
http_request_duration_seconds_bucket{le="+Inf",route="/v1/{id}",status="200"} 10
http_request_duration_seconds_count{route="/v1/{id}",status="200"} 10
http_request_duration_seconds_count{route="/livez",status="200"} 90
odd_total{text="a \\"quoted\\" } brace, and\\\\ more"} 4
up 1 1700000000
not_a_number_total NaN
# EOF
`;

describe('reading metrics', () => {
  const samples = parseExposition(TEXT);

  it('reads both formats: exemplars and timestamps are left out, quotes and braces in labels kept', () => {
    expect(sumOf(samples, 'up')).toBe(1);
    expect(samples.get('odd_total')).toEqual([
      { labels: { text: 'a "quoted" } brace, and\\ more' }, value: 4 },
    ]);
    expect(sumOf(samples, 'not_a_number_total')).toBeUndefined();
    expect(bucketsOf(samples, 'http_request_duration_seconds')).toEqual(
      new Map([
        [0.1, 8],
        [0.5, 9],
        [Number.POSITIVE_INFINITY, 10],
      ]),
    );
  });

  it('matches as Prometheus does: whole values, and a missing label is empty', () => {
    const user = matcherOf('service="user",route!~"/livez|/metrics",status=~"5.."');
    expect(user({ service: 'user', route: '/v1/me', status: '503' })).toBe(true);
    expect(user({ service: 'user', route: '/livez', status: '503' })).toBe(false);
    expect(user({ service: 'user', route: '/livez/more', status: '503' })).toBe(true);
    expect(user({ service: 'user', status: '5003' })).toBe(false);
    expect(matcherOf('a=""')({})).toBe(true);
  });

  it('tells nothing measured from zero', () => {
    expect(sumOf(samples, 'http_request_duration_seconds_count', 'status="500"')).toBeUndefined();
    expect(sumBy(samples, 'http_request_duration_seconds_count', 'route')).toEqual({
      '/v1/{id}': 10,
      '/livez': 90,
    });
  });

  it('computes quantiles of what came in between', () => {
    const after = bucketsOf(samples, 'http_request_duration_seconds');
    expect(quantileBetween(undefined, after, 0.5)).toBeCloseTo(0.0625);
    expect(quantileBetween(after, after, 0.99)).toBeUndefined();
    expect(quantileBetween(new Map([[0.1, 8]]), after, 0.99)).toBe(0.5);
  });
});
