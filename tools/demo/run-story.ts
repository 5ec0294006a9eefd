import { DemoFailure } from './demo-failure.ts';
import type { StackAccess } from './stack-access.ts';
import type { Step, Story } from './story.ts';

export interface StepReport {
  /** Place in the story, from 1. */
  readonly number: number;
  readonly id: string;
  readonly title: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly ms: number;
  readonly did?: string;
  readonly look?: string;
  readonly failure?: { readonly expected: string; readonly seen: string; readonly log?: string };
}

export interface StoryObserver {
  onStart(step: { number: number; title: string }): void;
  onDone(report: StepReport): void;
}

/**
 * Runs the steps in order. A step whose needs did not pass is skipped; the others still run, so that one broken
 * part does not hide the state of the rest. An abort stops everything and is thrown.
 */
export async function runStory(
  steps: readonly { step: Step; number: number }[],
  story: Story,
  observer: StoryObserver,
): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  const passed = new Set<string>();
  for (const { step, number } of steps) {
    story.signal.throwIfAborted();
    observer.onStart({ number, title: step.title });
    const started = performance.now();
    const base = { number, id: step.id, title: step.title };
    const elapsed = () => Math.round(performance.now() - started);
    const missing = step.needs.filter((id) => !passed.has(id));
    let report: StepReport;
    if (missing.length) {
      report = { ...base, status: 'skipped', ms: 0, did: `needs ${missing.join(', ')}` };
    } else {
      try {
        const result = await step.run(story);
        passed.add(step.id);
        report = { ...base, status: 'passed', ms: elapsed(), ...result };
      } catch (error) {
        story.signal.throwIfAborted();
        report = { ...base, status: 'failed', ms: elapsed(), failure: explain(error, story.stack) };
      }
    }
    reports.push(report);
    observer.onDone(report);
  }
  return reports;
}

function explain(error: unknown, stack: StackAccess): NonNullable<StepReport['failure']> {
  if (!(error instanceof DemoFailure)) {
    // Not a verdict on the platform but a mistake in the step: the stack trace is what helps.
    const seen = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { expected: 'the step to run', seen };
  }
  const log = (error.service && stack.logOf(error.service)) ?? stack.state.files.logs;
  return { expected: error.expected, seen: error.seen, ...(log !== undefined && { log }) };
}

/**
 * The chosen steps and all that they need, in the order of the story. `only` holds ids or numbers (from 1).
 * Throws {@link UnknownStepError}.
 */
export function chooseSteps(
  all: readonly Step[],
  only: readonly string[] | undefined,
): { step: Step; number: number }[] {
  const numbered = all.map((step, index) => ({ step, number: index + 1 }));
  if (!only) return numbered;
  const wanted = new Set<string>();
  const want = (name: string): void => {
    const found = numbered.find(({ step, number }) => step.id === name || String(number) === name);
    if (!found) {
      const known = numbered.map(({ step, number }) => `${number} ${step.id}`).join(', ');
      throw new UnknownStepError(`there is no step "${name}"; the steps are ${known}`);
    }
    if (wanted.has(found.step.id)) return;
    wanted.add(found.step.id);
    for (const need of found.step.needs) want(need);
  };
  for (const name of only) want(name);
  return numbered.filter(({ step }) => wanted.has(step.id));
}

export class UnknownStepError extends Error {
  override readonly name = 'UnknownStepError';
}
