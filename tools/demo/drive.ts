import { setTimeout as sleep } from 'node:timers/promises';
import { createCleanup } from './cleanup.ts';
import type { Summary } from './report.ts';
import { chooseSteps, runStory, type StoryObserver } from './run-story.ts';
import type { StackAccess } from './stack-access.ts';
import { STEPS } from './steps.ts';
import { createStory } from './story.ts';

export interface DriveOptions {
  readonly stack: StackAccess;
  /** Ids or numbers of steps; all when absent. */
  readonly only?: readonly string[] | undefined;
  readonly signal: AbortSignal;
  readonly observer: StoryObserver;
}

/**
 * Drives the story against a running stack and leaves the stack as it was, however it ends.
 * Throws when aborted, and {@link UnknownStepError} for a step that does not exist.
 */
export async function driveStory(options: DriveOptions): Promise<Summary> {
  const started = performance.now();
  const steps = chooseSteps(STEPS, options.only);
  const cleanup = createCleanup();
  const story = createStory({ stack: options.stack, signal: options.signal, cleanup });
  let putBack: Promise<string[]> | undefined;
  const putEverythingBack = () => {
    putBack ??= cleanup
      .run()
      .then(async (failures) => [...failures, ...(await notReadyAgain(options.stack))]);
    return putBack;
  };
  try {
    const reports = await runStory(steps, story, options.observer);
    const cleanupFailures = await putEverythingBack();
    return { reports, ms: Math.round(performance.now() - started), cleanupFailures };
  } finally {
    // After an abort as well; without one this was done above.
    await putEverythingBack();
  }
}

/** The supervisor looks at every child once a second; a restarted Postgres takes one or two. */
const READY_AGAIN_MS = 15_000;

/** Waits until the supervisor, too, sees everything as ready as it was; answers who is not. */
async function notReadyAgain({ control, state }: StackAccess): Promise<string[]> {
  const before = Object.entries(state.children).filter(([, child]) => child.state === 'ready');
  const deadline = performance.now() + READY_AGAIN_MS;
  for (;;) {
    const { children } = await control.state();
    const waiting = before.filter(([name]) => children[name]?.state !== 'ready').map(([name]) => name);
    if (waiting.length === 0) return [];
    if (performance.now() > deadline)
      return waiting.map((name) => `${name} is ${children[name]?.state ?? 'gone'}`);
    await sleep(100);
  }
}
