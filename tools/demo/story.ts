import type { Cleanup } from './cleanup.ts';
import type { EventStream } from './event-stream.ts';
import { createHttpClient, type HttpClient } from './http-client.ts';
import type { Person } from './person.ts';
import type { StackAccess } from './stack-access.ts';

/** What earlier steps found out and later ones need. */
export interface StoryFacts {
  person?: Person;
  /** Her inbox, open since she signed in. */
  inbox?: EventStream;
  /** The transfer of step 4. */
  transfer?: { readonly id: string; readonly hash: string; readonly blockNumber: number };
}

/** Everything a step may use. */
export interface Story {
  readonly stack: StackAccess;
  readonly signal: AbortSignal;
  readonly cleanup: Cleanup;
  readonly facts: StoryFacts;
  readonly api: HttpClient;
  readonly user: HttpClient;
  readonly gateway: HttpClient;
  /** A fact that an earlier step left. Throws when the step was not run: an error in the order of steps. */
  fact<K extends keyof StoryFacts>(name: K): NonNullable<StoryFacts[K]>;
}

export interface StepResult {
  /** One sentence about what happened, with figures. */
  readonly did: string;
  /** A URL or an id at which it can be looked at. */
  readonly look: string;
}

export interface Step {
  readonly id: string;
  readonly title: string;
  /** Ids of steps that must have run before. */
  readonly needs: readonly string[];
  /** Throws {@link DemoFailure} when the platform does not do what the story says. */
  run(story: Story): Promise<StepResult>;
}

export function createStory(options: { stack: StackAccess; signal: AbortSignal; cleanup: Cleanup }): Story {
  const { stack, signal } = options;
  const facts: StoryFacts = {};
  const client = (service: string) => createHttpClient({ baseUrl: stack.url(service), service, signal });
  return {
    ...options,
    facts,
    api: client('api'),
    user: client('user'),
    gateway: client('gateway'),
    fact(name) {
      const value = facts[name];
      if (value === undefined) throw new Error(`no step has left the fact "${name}"`);
      return value;
    },
  };
}
