import { describe, expect, it } from '@jest/globals';
import { OBJECTIVES } from '../../lib/slo/objectives.ts';
import { htmlReport, junitReport } from './reports.ts';
import type { ServerSide } from './server-side.ts';
import { type K6Summary, promisesOf, verdictOf, verdictTable } from './verdict.ts';

const rate = (value: number, expression: string, ok: boolean) => ({
  type: 'rate',
  values: { rate: value, passes: 1, fails: 0 },
  thresholds: { [expression]: { ok } },
});
const counter = (count: number, withThreshold = true) => ({
  type: 'counter',
  values: { count },
  ...(withThreshold ? { thresholds: { 'count>0': { ok: count > 0 } } } : {}),
});
const trend = (p99: number, expression: string, ok: boolean) => ({
  type: 'trend',
  values: { 'p(99)': p99, med: 12, max: 900 },
  thresholds: { [expression]: { ok } },
});

/** A run that kept everything; `broken` replaces some of its metrics. */
const summary = (broken: K6Summary['metrics'] = {}): K6Summary => ({
  state: { testRunDurationMs: 60_000 },
  metrics: {
    'http_req_duration{slo:api}': trend(40, 'p(99)<500', true),
    'http_req_duration{slo:rpc}': trend(30, 'p(99)<500', true),
    'http_req_failed{slo:api}': rate(0, 'rate<0.001', true),
    'http_reqs{slo:api}': counter(1000),
    'http_reqs{slo:rpc}': counter(800),
    'http_reqs{concurrency:1}': counter(3),
    'http_reqs{concurrency:256}': counter(768),
    rpc_failed: rate(0, 'rate<0.001', true),
    transactions_succeeded: rate(1, 'rate>0.995', true),
    transactions_decided: counter(20),
    notified: rate(1, 'rate>=1', true),
    notification_delay: trend(900, 'p(99)<5000', true),
    notifications_expected: counter(20),
    ...broken,
  },
});
const server: ServerSide = {
  http: { api: { errors: 0, all: 1000 } },
  included: { reverted: 0, all: 20 },
  missing: 0,
  looks: { all: 12, complete: 12, slowestMs: 8 },
  undocumented: [],
  documentedRoutes: 80,
};
const peak = (broken: K6Summary['metrics'] = {}, own: Partial<ServerSide> = {}) =>
  promisesOf(
    verdictOf({
      scenario: 'peak',
      summary: summary(broken),
      server: { ...server, ...own },
      offered: { perMinute: 1000, seconds: 60 },
    }),
  );
const brokenOf = (verdicts: ReturnType<typeof promisesOf>) =>
  verdicts.filter(({ kept }) => kept !== true).map(({ promise }) => promise);

describe('verdict', () => {
  it('has a line for each of the seven promises', () => {
    expect(peak().map(({ kept }) => kept)).toEqual([true, true, true, true, true, true, true]);
  });

  it.each([
    ['1 % errors', { 'http_req_failed{slo:api}': rate(0.01, 'rate<0.001', false) }, {}, [5]],
    ['600 ms', { 'http_req_duration{slo:api}': trend(612.3, 'p(99)<500', false) }, {}, [3]],
    ['a lost notification', { notified: rate(0.95, 'rate>=1', false) }, {}, [4]],
    ['one that the reconciler misses', {}, { missing: 1 }, [4]],
    ['reverted transactions', {}, { included: { reverted: 1, all: 20 } }, [2]],
    ['less for each when there are more', { 'http_reqs{concurrency:256}': counter(400) }, {}, [1]],
    ['half of the peak', { 'http_reqs{slo:api}': counter(500) }, {}, [3]],
    ['a process that did not show its metrics', {}, { looks: { all: 12, complete: 11, slowestMs: 8 } }, [6]],
    ['a route without documentation', {}, { undocumented: ['api: /v1/secret'] }, [7]],
    ['errors that only the service saw', {}, { http: { user: { errors: 3, all: 1000 } } }, [5]],
  ])('turns red for the right promise: %s', (_what, broken, own, promises) => {
    expect(brokenOf(peak(broken as K6Summary['metrics'], own))).toEqual(promises);
  });

  it('keeps nothing that was not measured', () => {
    const empty = { state: { testRunDurationMs: 60_000 }, metrics: {} };
    expect(brokenOf(promisesOf(verdictOf({ scenario: 'peak', summary: empty })))).toEqual([
      1, 2, 3, 4, 5, 6, 7,
    ]);
    // k6 lets a threshold on a metric without samples pass.
    const passed = summary({ notifications_expected: counter(0, false) });
    expect(brokenOf(promisesOf(verdictOf({ scenario: 'notifications', summary: passed })))).toContain(4);
  });

  it('says in the table what was promised and measured, on how many samples', () => {
    const rows = verdictOf({
      summary: summary({ 'http_req_duration{slo:api}': trend(612.3, 'p(99)<500', false) }),
    });
    const line = verdictTable(rows)
      .split('\n')
      .find((text) => text.includes('API: answers in time'));
    expect(line).toMatch(/✗ {2}3 .*p\(99\) < 500 .*p\(99\) 612\.3 ms.* 1000$/);
    expect(verdictTable(rows)).toContain('BROKEN');
  });

  it('is written for CI and for people, with nothing of it taken for markup', () => {
    const rows = verdictOf({
      summary: summary(),
      server: { ...server, undocumented: ['api: /v1/<script>'] },
    });
    const report = { scenario: 'peak', startedAt: new Date(0), seconds: 60, rows };
    expect(junitReport(report)).toContain(`failures="1"`);
    for (const text of [junitReport(report), htmlReport(report)]) expect(text).not.toContain('<script>');
    expect(htmlReport(report)).toContain('✗ broken');
  });
});

describe('objectives and load tests', () => {
  it('agree about what k6 judges', () => {
    const ids = OBJECTIVES.map(({ id }) => id);
    for (const id of [
      'api-latency',
      'user-errors',
      'rpc-latency',
      'transaction-success',
      'notifications-timely',
    ])
      expect(ids).toContain(id);
  });
});
