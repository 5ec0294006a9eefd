/** One measured number, with what it is held against. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'ms' | 'µs/call' | 'calls/s' | 'jobs/s' | 'ratio' | 'count' | 'MB' | 'bytes/key' | '%' | 's';
  /** The same measured against the upstream itself, in the same run. */
  readonly direct?: number;
  /** What we aim at; absent for numbers that only inform. */
  readonly aim?: { readonly max?: number; readonly min?: number };
  /** What the best peer did on a machine like this. */
  readonly peer?: number;
  readonly note?: string;
}

/** undefined for a figure without an aim. */
export function isMet({ value, aim }: Figure): boolean | undefined {
  if (aim === undefined) return undefined;
  return (aim.max === undefined || value <= aim.max) && (aim.min === undefined || value >= aim.min);
}
