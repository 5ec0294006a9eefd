import type { Figure } from './figure.ts';
import type { Stage } from './stage.ts';

export interface RunOptions {
  /** Shorter runs: figures jump more, the whole takes two minutes. */
  readonly quick: boolean;
}

/** A question the bench asks; one file each under `scenarios/`. */
export interface BenchScenario {
  readonly name: string;
  /** What is asked, for the table. */
  readonly title: string;
  run(stage: Stage, options: RunOptions): Promise<Figure[]>;
}
