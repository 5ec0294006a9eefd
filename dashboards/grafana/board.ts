/** A dashboard as data. `compile.ts` turns it into Grafana's JSON; tests and the coverage run read the same data. */

export interface QuerySpec {
  /** PromQL; `$__rate_interval` stands for the window that Grafana chooses. */
  readonly expr: string;
  /** Grafana's legend: `{{label}}`, or words. */
  readonly legend: string;
  /** Why this query alone may find nothing, while the panel as a whole has data. */
  readonly mayBeEmpty?: string;
}

/** From this value on the panel has this colour. The first step has no value: it is the base. */
export interface ThresholdStep {
  readonly from?: number;
  readonly colour: 'green' | 'orange' | 'red' | 'blue';
}

export interface PanelSpec {
  /** Stable within all dashboards: the id of the panel comes from it, and links of alerts lead to it. */
  readonly key: string;
  readonly title: string;
  readonly kind: 'timeseries' | 'stat' | 'bargauge' | 'table';
  readonly unit?: string;
  /** Of 24 columns. */
  readonly width?: 4 | 6 | 8 | 12 | 24;
  readonly queries: readonly QuerySpec[];
  /** The three sentences of the description. */
  readonly shows: string;
  readonly good: string;
  readonly act: string;
  /** Why no series at all may be a healthy answer. Every other panel must have data on a platform under load. */
  readonly mayBeEmpty?: string;
  readonly steps?: readonly ThresholdStep[];
  readonly min?: number;
  readonly max?: number;
  readonly stacked?: boolean;
  /** File name in docs/runbooks, without its ending. */
  readonly runbook?: string;
}

export interface RowSpec {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

export interface BoardSpec {
  /** Stable: part of every link. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly RowSpec[];
}

export const panelsOf = (board: BoardSpec): PanelSpec[] => board.rows.flatMap((row) => [...row.panels]);
