import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plot } from './check.ts';
import { reportHtml } from './report-html.ts';

const PROJECT = join(import.meta.dirname, '..', '..');
export const OUTPUT = join(PROJECT, 'output', 'e2e');
/** Beside jest's results, in jest's shape: `.ci/run` adds all of them up. */
const TOTALS = join(PROJECT, 'output', 'tests', 'cluster.json');

export interface Result {
  readonly id: string;
  readonly title: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly seconds: number;
  /** What was measured, or why it failed or was skipped. */
  readonly text: string;
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

export interface Outcome {
  readonly results: readonly Result[];
  readonly figures: readonly Figure[];
  readonly plots: readonly Plot[];
  readonly startedAt: string;
}

const count = (results: readonly Result[], status: Result['status']): number =>
  results.filter((result) => result.status === status).length;

/** Writes the report for people and the totals for CI. Answers with the path of the report. */
export function writeResults(outcome: Outcome): string {
  const { results } = outcome;
  mkdirSync(OUTPUT, { recursive: true });
  mkdirSync(dirname(TOTALS), { recursive: true });
  writeFileSync(
    TOTALS,
    JSON.stringify({
      numPassedTests: count(results, 'passed'),
      numFailedTests: count(results, 'failed'),
      numPendingTests: count(results, 'skipped'),
      numTodoTests: 0,
      numRuntimeErrorTestSuites: 0,
    }),
  );
  writeFileSync(join(OUTPUT, 'results.json'), `${JSON.stringify(outcome, null, 2)}\n`);
  const report = join(OUTPUT, 'report.html');
  writeFileSync(report, reportHtml(outcome));
  return report;
}

export const totalsLine = (results: readonly Result[]): string => {
  const skipped = count(results, 'skipped');
  return `${count(results, 'passed')} passed, ${count(results, 'failed')} failed${skipped ? `, ${skipped} skipped` : ''}`;
};
