import type { LoadResult } from './load.ts';
import type { Release } from './release.ts';
import type { Target } from './target.ts';

/** Something is not as promised; the message says what was expected and what was seen. */
export class CheckFailure extends Error {
  override readonly name = 'CheckFailure';
}

/** This cluster or machine cannot host the check; it counts as skipped, never as passed. */
export class SkipCheck extends Error {
  override readonly name = 'SkipCheck';
}

export interface Sample {
  /** Seconds since the plot began. */
  readonly at: number;
  readonly value: number;
}

/** A plot for the report: one or more curves over time. */
export interface Plot {
  readonly title: string;
  readonly unit: string;
  readonly curves: readonly {
    readonly name: string;
    readonly samples: readonly Sample[];
    readonly step?: boolean;
  }[];
  /** A horizontal line, such as an objective. */
  readonly limit?: { readonly name: string; readonly value: number };
}

/** What every check may use. */
export interface Context {
  readonly target: Target;
  readonly release: Release;
  /** Values that name the images; the same for every install and upgrade of the run. */
  readonly values: Record<string, string>;
  /** Scratch folder of the run, inside output/e2e. */
  readonly folder: string;
  readonly log: (line: string) => void;
  readonly plot: (plot: Plot) => void;
  /** A figure for the record, such as `install to ready` in seconds. */
  readonly figure: (name: string, value: number, unit: string) => void;
  /**
   * Requests of every service at a steady rate while `act` runs; throws a {@link CheckFailure} unless every single
   * one was answered rightly.
   */
  readonly underLoad: (act: () => Promise<unknown>) => Promise<LoadResult>;
}

export interface Check {
  readonly id: string;
  readonly title: string;
  /** Ids of checks that must have passed; otherwise this one is skipped. */
  readonly needs: readonly string[];
  /** Needs the node itself, which only our own cluster gives. */
  readonly ownNodeOnly?: boolean;
  /** Answers with what it measured, as one sentence. */
  run(context: Context): Promise<string>;
}

export function expectThat(condition: unknown, expected: string, seen: unknown): asserts condition {
  if (!condition)
    throw new CheckFailure(
      `expected ${expected}; seen: ${typeof seen === 'string' ? seen : JSON.stringify(seen)}`,
    );
}

export const seconds = (fromMs: number): string => `${((performance.now() - fromMs) / 1000).toFixed(1)} s`;
