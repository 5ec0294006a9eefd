import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BOARDS } from '../../dashboards/grafana/boards.ts';
import { coverageGaps, coverageOf, coverageTable, patientCoverage } from './coverage.ts';
import { type ObservedPlatform, startObservedPlatform } from './observed-platform.ts';

/** Starting all of it, the demo's story and a short load test. */
const USE_MS = 400_000;
/** More series than this of one metric is a label that nobody meant. */
const MOST_SERIES = 5_000;

let observed: ObservedPlatform;
beforeAll(async () => {
  observed = await startObservedPlatform(() => undefined);
  await observed.use();
}, USE_MS);
afterAll(() => observed?.stop(), 60_000);

describe('a real Prometheus that watches a running platform', () => {
  it('evaluates every rule', async () => {
    const rules = await observed.prometheus.rules();
    expect(rules.length).toBeGreaterThan(300);
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  });

  it('has data for every panel that may not be empty', async () => {
    const rows = await patientCoverage(BOARDS, observed.prometheus, sleep);
    expect(coverageTable(coverageGaps(rows))).toBe(coverageTable([]));
  });

  it('says which panel is empty, and which query is wrong', async () => {
    const [board] = BOARDS;
    const panel = {
      ...(board as (typeof BOARDS)[number]).rows[0]?.panels[0],
      mayBeEmpty: undefined,
    } as never;
    const broken = (expr: string) => ({
      ...(board as (typeof BOARDS)[number]),
      rows: [{ title: '', panels: [{ ...(panel as object), queries: [{ expr, legend: '' }] } as never] }],
    });
    const rows = await coverageOf([broken('nobody_exports_this'), broken('sum(')], observed.prometheus);
    expect(coverageGaps(rows)).toHaveLength(2);
    expect(rows[1]?.error).toMatch(/parse error/);
  });

  it('has no metric whose labels explode', async () => {
    const largest = await observed.prometheus.query(
      `topk(3, count by (__name__) ({__name__=~".+"})) > ${MOST_SERIES}`,
    );
    expect(largest).toEqual([]);
  });
});
