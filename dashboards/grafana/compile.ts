import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';
import { panelId } from '../panel-id.ts';
import type { BoardSpec, PanelSpec } from './board.ts';

/** A variable of the dashboard, as Grafana writes it. */
const variable = (name: string): string => `$\{${name}}`;

/** Whoever imports the dashboards chooses their own Prometheus. */
const DATASOURCE = { type: 'prometheus', uid: variable('datasource') };
const RUNBOOKS = variable('runbooks');
const PANEL_HEIGHT = 8;
const STAT_HEIGHT = 5;

const letter = (index: number): string => String.fromCharCode(65 + index);

function queriesOf(panel: PanelSpec): DataqueryBuilder[] {
  return panel.queries.map(({ expr, legend }, index) => {
    const query = new DataqueryBuilder().refId(letter(index)).expr(expr).legendFormat(legend);
    if (panel.kind === 'timeseries') return query.range();
    return panel.kind === 'table' ? query.instant().format(PromQueryFormat.Table) : query.instant();
  });
}

const description = ({ shows, good, act, mayBeEmpty, runbook }: PanelSpec): string =>
  [
    shows,
    `**Good:** ${good}`,
    `**Otherwise:** ${act}`,
    ...(mayBeEmpty === undefined ? [] : [`**Empty when:** ${mayBeEmpty}`]),
    ...(runbook === undefined ? [] : [`[Runbook](${RUNBOOKS}/${runbook}.md)`]),
  ].join('\n\n');

/** What all kinds of panels have. */
interface AnyPanelBuilder extends Builder<dashboard.Panel> {
  id(id: number): this;
  title(text: string): this;
  description(text: string): this;
  datasource(ref: { type: string; uid: string }): this;
  targets(queries: DataqueryBuilder[]): this;
  unit(unit: string): this;
  min(value: number): this;
  max(value: number): this;
  height(rows: number): this;
  span(columns: number): this;
  thresholds(config: Builder<dashboard.ThresholdsConfig>): this;
  colorScheme(colour: Builder<dashboard.FieldColor>): this;
  links(links: dashboard.DashboardLinkBuilder[]): this;
}

function builderOf(panel: PanelSpec): AnyPanelBuilder {
  switch (panel.kind) {
    case 'stat':
      return new stat.PanelBuilder().graphMode(BigValueGraphMode.Area);
    case 'bargauge':
      return new bargauge.PanelBuilder();
    case 'table':
      return new table.PanelBuilder();
    case 'timeseries':
      return new timeseries.PanelBuilder()
        .drawStyle(GraphDrawStyle.Line)
        .fillOpacity(panel.stacked ? 30 : 5)
        .showPoints(VisibilityMode.Never)
        .stacking(new StackingConfigBuilder().mode(panel.stacked ? StackingMode.Normal : StackingMode.None))
        .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi))
        .legend(
          new VizLegendOptionsBuilder()
            .displayMode(LegendDisplayMode.Table)
            .placement(LegendPlacement.Bottom)
            .showLegend(true)
            .calcs(['lastNotNull', 'max']),
        );
  }
}

function compilePanel(panel: PanelSpec): AnyPanelBuilder {
  const builder = builderOf(panel)
    .id(panelId(panel.key))
    .title(panel.title)
    .description(description(panel))
    .datasource(DATASOURCE)
    .targets(queriesOf(panel))
    .height(panel.kind === 'stat' ? STAT_HEIGHT : PANEL_HEIGHT)
    .span(panel.width ?? (panel.kind === 'stat' ? 6 : 12));
  if (panel.unit !== undefined) builder.unit(panel.unit);
  if (panel.min !== undefined) builder.min(panel.min);
  if (panel.max !== undefined) builder.max(panel.max);
  if (panel.steps !== undefined) {
    builder.thresholds(
      new dashboard.ThresholdsConfigBuilder()
        .mode(dashboard.ThresholdsMode.Absolute)
        .steps(panel.steps.map(({ from, colour }) => ({ value: from ?? null, color: colour }))),
    );
    if (panel.kind !== 'timeseries')
      builder.colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds));
  }
  if (panel.runbook !== undefined)
    builder.links([
      new dashboard.DashboardLinkBuilder('Runbook')
        .type(dashboard.DashboardLinkType.Link)
        .url(`${RUNBOOKS}/${panel.runbook}.md`)
        .targetBlank(true),
    ]);
  return builder;
}

/** Grafana's JSON of a dashboard, the same text for the same data. */
export function compileBoard(board: BoardSpec): string {
  const builder = new dashboard.DashboardBuilder(board.title)
    .uid(board.uid)
    .description(board.description)
    .tags(['rejuve', 'generated'])
    .timezone('browser')
    .refresh('30s')
    .time({ from: 'now-3h', to: 'now' })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .readonly()
    .withVariable(
      new dashboard.DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'),
    )
    .withVariable(
      new dashboard.TextBoxVariableBuilder('runbooks').label('Runbooks').defaultValue('/runbooks'),
    )
    .link(
      new dashboard.DashboardLinkBuilder('Rejuve')
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags(['rejuve'])
        .asDropdown(true)
        .keepTime(true),
    )
    .annotation(
      new dashboard.AnnotationQueryBuilder()
        .name('Starts of processes')
        .datasource(DATASOURCE)
        .enable(true)
        .iconColor('blue')
        .expr(
          'changes(process_start_time_seconds{service=~"gateway|gateway-worker|gateway-indexer|api|user|controller"}[1m]) > 0',
        ),
    );
  board.rows.forEach((row, index) => {
    builder.withRow(new dashboard.RowBuilder(row.title).id(index + 1));
    for (const panel of row.panels) builder.withPanel(compilePanel(panel));
  });
  return `${JSON.stringify(builder.build(), null, 2)}\n`;
}
