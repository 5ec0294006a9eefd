import { describe, expect, it } from '@jest/globals';
import type { BoardSpec, PanelSpec } from '../../dashboards/grafana/board.ts';
import { coverageGaps, coverageOf, coverageTable, patientCoverage } from './coverage.ts';

const panel = (key: string, more: Partial<PanelSpec>): PanelSpec => ({
  ...{ key, title: key, kind: 'timeseries', shows: '', good: '', act: '', queries: [] },
  ...more,
});
const board: BoardSpec = {
  ...{ uid: 'b', title: 'b', description: '' },
  rows: [
    {
      title: '',
      panels: [
        panel('full', { queries: [{ expr: 'rate(a_total[$__rate_interval])', legend: '' }] }),
        panel('empty', { queries: [{ expr: 'nothing', legend: '' }] }),
        panel('rare', { queries: [{ expr: 'nothing', legend: '' }], mayBeEmpty: 'nobody did it' }),
        panel('wrong', {
          queries: [{ expr: 'sum(', legend: '' }],
          mayBeEmpty: 'no excuse for a wrong query',
        }),
        panel('nan', { queries: [{ expr: 'zero / zero', legend: '' }] }),
      ],
    },
  ],
};
/** Answers like Prometheus; the real one is asked in coverage.promtool.test.ts. */
const prometheus = {
  asked: [] as string[],
  async query(expression: string) {
    this.asked.push(expression);
    if (expression === 'sum(') throw new Error('parse error: unclosed left parenthesis');
    if (expression === 'nothing') return [];
    return [{ metric: {}, value: [0, expression.includes('/') ? 'NaN' : '1'] as const }];
  },
};

describe('coverage of dashboards', () => {
  it('counts the series of each query, and finds empty panels, wrong queries and NaN', async () => {
    const rows = await coverageOf([board], prometheus);
    expect(prometheus.asked[0]).toBe('rate(a_total[2m])');
    expect(coverageGaps(rows).map((row) => row.panel)).toEqual(['empty', 'wrong', 'nan']);
    const table = coverageTable(rows);
    expect(table).toContain('| b | full | 1 |');
    expect(table).toContain('| b | rare | 0 (may be empty) |');
    expect(table).toContain('parse error');
  });

  it('asks an empty panel again, until it has data', async () => {
    let looks = 0;
    const late = {
      query: async () => (++looks > 2 ? [{ metric: {}, value: [0, '1'] as const }] : []),
    };
    const one: BoardSpec = {
      ...board,
      rows: [{ title: '', panels: [panel('p', { queries: [{ expr: 'x', legend: '' }] })] }],
    };
    const waits: number[] = [];
    const rows = await patientCoverage([one], late, async (ms) => void waits.push(ms));
    expect([rows[0]?.series, waits.length]).toEqual([1, 2]);
  });
});
