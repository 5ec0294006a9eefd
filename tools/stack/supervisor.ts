import { join } from 'node:path';
import type { Clock } from '../../lib/time.ts';
import { type Child, type ChildEvent, type ChildSpec, createChild } from './child.ts';
import type { ChildRecord } from './state.ts';
import { tellingLines } from './telling-lines.ts';

/** Something that is done once between the starts of children, such as deploying contracts. */
export interface TaskSpec {
  readonly name: string;
  readonly dependsOn: readonly string[];
  run(): Promise<void>;
}

export interface SupervisorDeps {
  readonly clock: Clock;
  readonly logDir: string;
  readonly onEvent: (event: ChildEvent) => void;
}

/** How long the whole start may take, in milliseconds; a cold machine under load needs about a third of it. */
const START_DEADLINE_MS = 90_000;

/** A child or task that did not become ready; the message is for people. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

export type Supervisor = ReturnType<typeof createSupervisor>;

/** Runs children and tasks in the order of their dependencies, everything that can at the same time. */
export function createSupervisor(
  specs: { children: readonly ChildSpec[]; tasks: readonly TaskSpec[] },
  deps: SupervisorDeps,
) {
  const { clock, logDir, onEvent } = deps;
  const children = new Map<string, Child>(
    specs.children.map((spec) => [
      spec.name,
      createChild(spec, { clock, logFile: join(logDir, `${spec.name}.log`), onEvent }),
    ]),
  );
  let stopping = false;

  const runTask = async (task: TaskSpec): Promise<void> => {
    if (stopping) return;
    const from = clock.monotonic();
    onEvent({ name: task.name, what: 'starting', detail: '' });
    await task.run();
    onEvent({
      name: task.name,
      what: 'ready',
      detail: `${((clock.monotonic() - from) / 1000).toFixed(1)} s`,
    });
  };

  const startChild = async (child: Child): Promise<void> => {
    if (stopping) return;
    child.start();
    const abort = new AbortController();
    const outcome = await Promise.race([
      child.whenReady(),
      clock.sleep(START_DEADLINE_MS, abort.signal).then(
        () => 'late' as const,
        () => false,
      ),
    ]);
    abort.abort();
    if (outcome === true || stopping) return;
    const { log } = child.record();
    const why = outcome === 'late' ? `was not ready after ${START_DEADLINE_MS / 1000} s` : 'cannot start';
    throw new StartError(
      [`${child.spec.name} ${why}. Its last lines (${log}):`, ...tellingLines(log, 12)].join('\n  '),
    );
  };

  return {
    children,
    /**
     * Starts everything; resolves when all of it is ready.
     *
     * @throws StartError for the first child that fails for good; the others are left as they are
     */
    async start(): Promise<void> {
      const done = new Map<string, Promise<void>>();
      const byName = new Map<string, { dependsOn: readonly string[]; go: () => Promise<void> }>();
      for (const task of specs.tasks)
        byName.set(task.name, { dependsOn: task.dependsOn, go: () => runTask(task) });
      for (const child of children.values()) {
        byName.set(child.spec.name, { dependsOn: child.spec.dependsOn, go: () => startChild(child) });
      }
      const begin = (name: string, path: readonly string[]): Promise<void> => {
        if (path.includes(name)) throw new Error(`dependency cycle: ${[...path, name].join(' → ')}`);
        const known = done.get(name);
        if (known !== undefined) return known;
        const node = byName.get(name);
        if (node === undefined) throw new Error(`${path.at(-1)} depends on ${name}, which does not exist`);
        const before = node.dependsOn.map((dependency) => begin(dependency, [...path, name]));
        const started = Promise.all(before).then(node.go);
        done.set(name, started);
        return started;
      };
      await Promise.all([...byName.keys()].map((name) => begin(name, [])));
    },
    /** Stops everything, the highest stage first; children of one stage leave together. */
    async stop(): Promise<void> {
      stopping = true;
      const stages = [...new Set([...children.values()].map((child) => child.spec.stage))].sort(
        (a, b) => b - a,
      );
      // Nothing of a lower stage may start while the higher ones leave.
      for (const stage of stages) {
        const members = [...children.values()].filter((child) => child.spec.stage === stage);
        await Promise.all(members.map((child) => child.stop()));
      }
    },
    /** The hard way: no draining, no order. */
    killAll(): void {
      stopping = true;
      for (const child of children.values()) void child.stop(0);
    },
    records: (): Record<string, ChildRecord> =>
      Object.fromEntries([...children].map(([name, child]) => [name, child.record()])),
    isReady: (): boolean => [...children.values()].every((child) => child.state() === 'ready'),
  };
}
