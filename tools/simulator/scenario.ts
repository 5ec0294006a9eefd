import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import type { Clock, Timer } from '../../lib/time.ts';
import { faultListSchema } from './faults.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** `1500`, `"1500ms"`, `"1.5s"` or `"2m"`. */
const durationSchema = z.union([
  z.number().min(0),
  z
    .string()
    .regex(/^\d+(\.\d+)?(ms|s|m)$/, 'expected a duration such as 250ms, 1.5s or 2m')
    .transform((text) => Number.parseFloat(text) * (UNITS[text.replace(/^[\d.]+/, '')] ?? 1)),
]);

const stepSchema = z
  .strictObject({
    at: durationSchema.describe('Time since the scenario started.'),
    note: z.string().optional(),
    set: faultListSchema.optional().describe('Replace all faults.'),
    add: faultListSchema.optional(),
    remove: z.array(z.string()).optional().describe('Ids of faults to remove.'),
    clear: z.literal(true).optional(),
    down: z.literal(true).optional(),
    up: z.literal(true).optional(),
    mine: z.int().min(1).max(10_000).optional(),
    reorg: z.int().min(1).max(64).optional(),
  })
  .refine(
    (step) => Object.keys(step).some((key) => key !== 'at' && key !== 'note'),
    'a step must do something',
  );

export const scenarioSchema = z.strictObject({
  name: z.string().default('unnamed'),
  description: z.string().optional(),
  repeatEvery: durationSchema.optional().describe('Start again from the top so long after each start.'),
  timeline: z.array(stepSchema).min(1).max(1_000),
});

export type Scenario = z.output<typeof scenarioSchema>;
export type ScenarioInput = z.input<typeof scenarioSchema>;
type Step = Scenario['timeline'][number];

/**
 * Reads a scenario from YAML or JSON text.
 * @throws Error naming line and column (syntax) or the path of each wrong field.
 */
export function parseScenario(text: string): Scenario {
  const parsed: unknown = parseYaml(text, { prettyErrors: true });
  const result = scenarioSchema.safeParse(parsed);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'scenario'}: ${issue.message}`,
  );
  throw new Error(`not a scenario:\n  ${problems.join('\n  ')}`);
}

export interface ScenarioTarget {
  setFaults(faults: NonNullable<Step['set']>): void;
  addFaults(faults: NonNullable<Step['add']>): void;
  removeFaults(ids: readonly string[]): void;
  clearFaults(): void;
  down(): Promise<void>;
  up(): Promise<void>;
  mine(blocks: number): Promise<void>;
  reorg(depth: number): Promise<void>;
}

export interface ScenarioRunner {
  /** Starts from the top; a running scenario is dropped (its faults stay until cleared). */
  start(scenario: Scenario): void;
  stop(): void;
  status(): {
    name: string;
    running: boolean;
    elapsedMs: number;
    done: number;
    steps: number;
    failures: string[];
  } | null;
}

export function createScenarioRunner(deps: { clock: Clock; target: ScenarioTarget }): ScenarioRunner {
  const { clock, target } = deps;
  let current: { scenario: Scenario; startedAt: number; done: number; failures: string[] } | undefined;
  let timers: Timer[] = [];

  async function perform(step: Step): Promise<void> {
    if (step.clear) target.clearFaults();
    if (step.set) target.setFaults(step.set);
    if (step.add) target.addFaults(step.add);
    if (step.remove) target.removeFaults(step.remove);
    if (step.down) await target.down();
    if (step.up) await target.up();
    if (step.mine) await target.mine(step.mine);
    if (step.reorg) await target.reorg(step.reorg);
  }

  function stop(): void {
    for (const timer of timers) timer.cancel();
    timers = [];
  }

  function start(scenario: Scenario): void {
    stop();
    const run = { scenario, startedAt: clock.monotonic(), done: 0, failures: [] as string[] };
    current = run;
    timers = scenario.timeline.map((step, index) =>
      clock.setTimeout(() => {
        perform(step)
          .catch((error: Error) => run.failures.push(`timeline.${index}: ${error.message}`))
          .finally(() => {
            run.done += 1;
          });
      }, step.at),
    );
    if (scenario.repeatEvery !== undefined)
      timers.push(clock.setTimeout(() => start(scenario), scenario.repeatEvery));
  }

  return {
    start,
    stop,
    status: () =>
      current === undefined
        ? null
        : {
            name: current.scenario.name,
            running: current.done < current.scenario.timeline.length && timers.length > 0,
            elapsedMs: Math.round(clock.monotonic() - current.startedAt),
            done: current.done,
            steps: current.scenario.timeline.length,
            failures: current.failures,
          },
  };
}
