import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { bucketsFor } from '../lib/slo/buckets.ts';
import { OBJECTIVES } from '../lib/slo/objectives.ts';
import { panelsOf } from './grafana/board.ts';
import { BOARDS } from './grafana/boards.ts';
import { compileBoard } from './grafana/compile.ts';
import { cardinalityProblems } from './metrics/cardinality.ts';
import { FOREIGN_METRICS } from './metrics/foreign-metrics.ts';
import { metricsIn } from './metrics/query-names.ts';
import {
  type RegisteredMetric,
  registeredMetrics,
  registrationsIn,
  seriesOf,
} from './metrics/registered-metrics.ts';
import { panelId } from './panel-id.ts';
import { prometheusRules } from './rules/prometheus-rules.ts';

const ROOT = join(import.meta.dirname, '..');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}
const rules: Rule[] = (parse(prometheusRules()) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));

/** Labels that Prometheus and lib/metrics.ts give to every series. */
const COMMON_LABELS = new Set([
  'service',
  'instance',
  'job',
  'namespace',
  'pod',
  'le',
  'alertname',
  'alertstate',
]);

/** What is wrong with a query, as sentences that name the metric. */
function problemsOf(query: string, known: ReadonlyMap<string, RegisteredMetric>): string[] {
  return metricsIn(query).flatMap(({ metric, labels }) => {
    if (recorded.has(metric) || FOREIGN_METRICS.has(metric)) return [];
    const registered = known.get(metric);
    if (registered === undefined) return [`no service exports ${metric}`];
    return labels
      .filter((label) => !COMMON_LABELS.has(label) && !registered.labels.includes(label))
      .map((label) => `${metric} has no label ${label}`);
  });
}

let known: Map<string, RegisteredMetric>;
let registered: RegisteredMetric[];
beforeAll(async () => {
  registered = await registeredMetrics();
  known = new Map(registered.flatMap((metric) => seriesOf(metric).map((name) => [name, metric] as const)));
});

describe('queries of dashboards and rules', () => {
  it('read only metrics that a service exports, with labels that it has', () => {
    const problems = [
      ...BOARDS.flatMap((board) =>
        panelsOf(board).flatMap((panel) =>
          panel.queries.flatMap(({ expr }) =>
            problemsOf(expr, known).map((problem) => `${board.uid} / ${panel.title}: ${problem}`),
          ),
        ),
      ),
      ...rules.flatMap(({ alert, record, expr }) =>
        problemsOf(expr, known).map((problem) => `${alert ?? record}: ${problem}`),
      ),
    ];
    expect(problems).toEqual([]);
  });

  it('would be refused for a metric that nobody exports, by its name, and for a label that it has not', () => {
    expect(problemsOf('sum(rate(http_requests_total[5m]))', known)).toEqual([
      'no service exports http_requests_total',
    ]);
    expect(problemsOf('rpc_calls_total{verdict="hit"}', known)).toEqual([
      'rpc_calls_total has no label verdict',
    ]);
  });

  it.each([
    ['sum by (a) (rate(x_total{b="c(d)"}[5m])) / on(a) group_left(e) (y > 0) or vector(0)', ['x_total', 'y']],
    ['histogram_quantile(0.9, sum(rate(z_bucket[$__rate_interval])) by (le))', ['z_bucket']],
    ['avg_over_time(((max(g)) > bool 3)[5m:30s])', ['g']],
    ['slo:a:ratio{x=~"a|b"} unless on() count(last_over_time(up[1d] offset 5m))', ['slo:a:ratio', 'up']],
  ])('are read right: %s', (query, names) => {
    expect(metricsIn(query).map(({ metric }) => metric)).toEqual(names);
  });
});

describe('metrics', () => {
  it('have bounded labels and names with base units', () => {
    expect(registered.filter(({ file }) => file !== 'prom-client').flatMap(cardinalityProblems)).toEqual([]);
  });

  it.each([
    ["metrics.counter({ name: 'reads_total', help: 'x', labels: ['wallet'] })", /label wallet/],
    ["metrics.gauge({ name: 'depth', help: 'x', labels: ['request_id'] })", /label request_id/],
    ["metrics.histogram({ name: 'answer_ms', help: 'x' })", /base units/],
    ["metrics.counter({ name: 'reads', help: 'x' })", /_total/],
    ["metrics.gauge({ name: 'cube_size', help: 'x', labels: ['a', 'b', 'c', 'd', 'e'] })", /5 labels/],
  ])('would be refused: %s', (source, message) => {
    const [metric] = registrationsIn(source, 'x.ts');
    expect(cardinalityProblems(metric as RegisteredMetric).join()).toMatch(message);
  });

  it('are registered once by each name, or with the same labels', () => {
    const seen = new Map<string, string>();
    for (const { name, labels } of registered) {
      expect([name, seen.get(name) ?? labels.join()]).toEqual([name, labels.join()]);
      seen.set(name, labels.join());
    }
  });
});

describe('dashboards', () => {
  const keys = BOARDS.flatMap((board) => panelsOf(board).map(({ key }) => key));

  it('have panels with keys, ids and boards of their own', () => {
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(keys.map(panelId)).size).toBe(keys.length);
    expect(new Set(BOARDS.map(({ uid }) => uid)).size).toBe(BOARDS.length);
  });

  it('say for every panel what it shows, what good looks like and what to do', () => {
    for (const board of BOARDS) {
      const json = JSON.parse(compileBoard(board)) as { panels: { type: string; description?: string }[] };
      const panels = json.panels.filter(({ type }) => type !== 'row');
      expect(panels).toHaveLength(panelsOf(board).length);
      for (const { description } of panels)
        expect(description).toMatch(/^.{12,}\n\n\*\*Good:\*\* .+\n\n\*\*Otherwise:\*\* .+/);
    }
  });

  it('are the place that every alert links to, and every alert has a runbook that exists', () => {
    const targets = new Set(
      BOARDS.flatMap((board) =>
        panelsOf(board).map(({ key }) => `/d/${board.uid}?viewPanel=${panelId(key)}`),
      ),
    );
    for (const { alert, annotations = {} } of rules) {
      if (alert === undefined) continue;
      expect([alert, targets.has(annotations.dashboard ?? '')]).toEqual([alert, true]);
      const [file = ''] = (annotations.runbook ?? '').split('#');
      expect([alert, file, existsSync(join(ROOT, file))]).toEqual([alert, file, true]);
    }
  });

  it('link to runbooks that exist', () => {
    const wanted = BOARDS.flatMap((board) => panelsOf(board).flatMap(({ runbook }) => runbook ?? []));
    expect(wanted.filter((name) => !existsSync(join(ROOT, 'docs', 'runbooks', `${name}.md`)))).toEqual([]);
  });
});

describe('runbooks', () => {
  it('are listed with every alert by name', () => {
    const list = readFileSync(join(ROOT, 'docs', 'runbooks', 'README.md'), 'utf8');
    const names = new Set(rules.flatMap(({ alert }) => alert ?? []));
    expect([...names].filter((name) => !list.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('objectives', () => {
  it('have unique ids, a target strictly between 0 and 1, and a bucket at their threshold', () => {
    expect(new Set(OBJECTIVES.map(({ id }) => id)).size).toBe(OBJECTIVES.length);
    for (const { id, indicator, target } of OBJECTIVES) {
      if (indicator.kind === 'invariant') expect([id, target]).toEqual([id, undefined]);
      else expect([id, (target ?? 0) > 0 && (target ?? 1) < 1]).toEqual([id, true]);
      if (indicator.kind === 'latency')
        expect(bucketsFor(indicator.histogram)).toContain(indicator.thresholdSeconds);
    }
  });

  it('have their thresholds among the bounds of the histograms of browsers, too', () => {
    const source = readFileSync(join(ROOT, 'console', 'server', 'telemetry', 'web-metrics.ts'), 'utf8');
    const bounds = (/VITAL_BUCKETS = \[([^\]]+)\]/.exec(source)?.[1] ?? '').split(',').map(Number);
    for (const { service, indicator } of OBJECTIVES)
      if (service === 'console' && indicator.kind === 'latency')
        expect(bounds).toContain(indicator.thresholdSeconds);
  });

  it('stand for the promises that figures can tell: all but the documentation (7), which the load test checks', () => {
    const promises = new Set(OBJECTIVES.flatMap(({ promise }) => promise ?? []));
    expect([...promises].sort()).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
