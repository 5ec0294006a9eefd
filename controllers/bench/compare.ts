import { hpaOnCpu, keda, ours } from './autoscalers.ts';
import { TRACES } from './traces.ts';
import { type Autoscaler, type Score, simulate } from './world.ts';

/** Every autoscaler by name; each runs all traces with one setting. */
export const CANDIDATES: ReadonlyMap<string, () => Autoscaler> = new Map([
  ['ours', () => ours()],
  ['keda (5 per pod)', () => keda(5)],
  // As somebody would set it who knows that a pod finishes 150 jobs within the objective.
  ['keda (150 per pod)', () => keda(150)],
  ['hpa (cpu 70 %)', () => hpaOnCpu()],
]);

export type ComparedRow = Omit<Score, 'series'> & { readonly trace: string; readonly autoscaler: string };

/** Runs autoscalers over every trace. @returns the mean over the seeds, rounded */
export function compareAutoscalers(
  seeds: readonly number[],
  names: readonly string[] = [...CANDIDATES.keys()],
): ComparedRow[] {
  return TRACES.flatMap((trace) =>
    names.map((autoscaler) => {
      const make = CANDIDATES.get(autoscaler);
      if (make === undefined) throw new Error(`there is no autoscaler ${autoscaler}`);
      const scores = seeds.map((seed) => simulate(trace, make(), seed));
      const mean = (pick: (score: Score) => number): number =>
        Math.round(scores.reduce((sum, score) => sum + pick(score), 0) / scores.length);
      return {
        trace: trace.name,
        autoscaler,
        violationSeconds: mean((score) => score.violationSeconds),
        podSeconds: mean((score) => score.podSeconds),
        providerErrors: mean((score) => score.providerErrors),
        oscillations: mean((score) => score.oscillations),
        finished: mean((score) => score.finished),
      };
    }),
  );
}
