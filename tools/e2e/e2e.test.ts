import { describe, expect, it } from '@jest/globals';
import { CHECKS } from './checks.ts';
import { plotSvg, reportHtml } from './report-html.ts';
import { totalsLine } from './results.ts';
import { imageRoute, imageValues } from './target.ts';

describe('imageRoute', () => {
  it('takes a registry or kind, and says what is missing or wrong', () => {
    expect(imageRoute('ghcr.io/you')).toEqual({ kind: 'registry', registry: 'ghcr.io/you' });
    expect(imageRoute('localhost:5000')).toEqual({ kind: 'registry', registry: 'localhost:5000' });
    expect(imageRoute('kind')).toEqual({ kind: 'kind', cluster: 'kind' });
    expect(imageRoute('kind:two')).toEqual({ kind: 'kind', cluster: 'two' });
    expect(() => imageRoute(undefined)).toThrow('set IMAGE_REGISTRY as well');
    expect(() => imageRoute('https://ghcr.io')).toThrow('must look like ghcr.io/you');
  });
});

describe('imageValues', () => {
  it('tells the registry from the path and the tag, also with a port', () => {
    expect(imageValues('localhost:5000/a/rejuve-platform:dev-1')).toEqual({
      'image.registry': 'localhost:5000',
      'image.repository': 'a/rejuve-platform',
      'image.tag': 'dev-1',
    });
  });
});

describe('the checks', () => {
  it('need only checks that come before them', () => {
    const seen = new Set<string>();
    for (const { id, needs } of CHECKS) {
      for (const need of needs) expect([...seen]).toContain(need);
      expect(seen.has(id)).toBe(false);
      seen.add(id);
    }
  });
});

describe('the report', () => {
  const plot = {
    title: 'Age <of> jobs',
    unit: 's',
    curves: [
      {
        name: 'age',
        samples: [
          { at: 0, value: 0 },
          { at: 10, value: 42 },
        ],
      },
    ],
    limit: { name: 'objective', value: 30 },
  };

  it('keeps every point inside the picture and escapes what people wrote', () => {
    const svg = plotSvg(plot);
    const points = /points="([^"]+)"/.exec(svg)?.[1]?.split(' ') ?? [];
    expect(points).toHaveLength(2);
    for (const point of points) {
      const [x = -1, y = -1] = point.split(',').map(Number);
      expect(x).toBeGreaterThanOrEqual(0);
      expect(x).toBeLessThanOrEqual(860);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(y).toBeLessThanOrEqual(260);
    }
    expect(svg).toContain('Age &lt;of&gt; jobs');
  });

  it('draws an empty curve as nothing instead of failing', () => {
    expect(plotSvg({ ...plot, curves: [{ name: 'none', samples: [] }] })).toContain('points=""');
  });

  it('never counts what was skipped as passed', () => {
    const result = { id: 'a', title: 'A', seconds: 1, text: 'why' };
    const results = [
      { ...result, status: 'passed' as const },
      { ...result, status: 'skipped' as const },
    ];
    expect(totalsLine(results)).toBe('1 passed, 0 failed, 1 skipped');
    expect(reportHtml({ results, figures: [], plots: [], startedAt: '' })).toContain('class="skipped"');
  });
});
