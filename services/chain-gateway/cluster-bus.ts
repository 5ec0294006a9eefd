import cluster, { type Worker } from 'node:cluster';
import type { Clock } from '../../lib/time.ts';

/** A question that one worker asks all of them, e.g. who answered a request. */
export type Question =
  | { readonly kind: 'explain'; readonly requestId: string }
  | { readonly kind: 'cost' }
  | { readonly kind: 'cordon'; readonly provider: string; readonly by: string | null };

type Message =
  | { readonly bus: 'ask'; readonly id: string; readonly question: Question }
  | { readonly bus: 'relay'; readonly id: string; readonly question: Question }
  | { readonly bus: 'answer'; readonly id: string; readonly answer: unknown }
  | { readonly bus: 'answers'; readonly id: string; readonly answers: readonly unknown[] };

/** Workers that are busy or just dying do not hold up the answer longer than this. */
const ANSWER_WITHIN_MS = 500;

function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'bus' in value;
}

/** Lets workers of one gateway answer for each other: state such as the explain ring is per process. */
export interface ClusterBus {
  /** Answers of the other workers, those that have one; empty without workers. */
  askOthers(question: Question): Promise<unknown[]>;
  close(): void;
}

/** A worker's end. @param answer what this worker knows; undefined when nothing */
export function createClusterBus(deps: {
  clock: Clock;
  answer: (question: Question) => unknown;
}): ClusterBus {
  const { clock } = deps;
  let next = 1;
  const waiting = new Map<string, (answers: unknown[]) => void>();
  const onMessage = (message: unknown): void => {
    if (!isMessage(message)) return;
    if (message.bus === 'relay')
      process.send?.({
        bus: 'answer',
        id: message.id,
        answer: deps.answer(message.question) ?? null,
      } satisfies Message);
    else if (message.bus === 'answers') {
      waiting.get(message.id)?.([...message.answers]);
      waiting.delete(message.id);
    }
  };
  if (cluster.isWorker) process.on('message', onMessage);
  return {
    askOthers(question) {
      if (!cluster.isWorker) return Promise.resolve([]);
      const id = `${process.pid}-${next++}`;
      return new Promise((resolve) => {
        const timer = clock.setTimeout(() => {
          waiting.delete(id);
          resolve([]);
        }, 2 * ANSWER_WITHIN_MS);
        waiting.set(id, (answers) => {
          timer.cancel();
          resolve(answers);
        });
        process.send?.({ bus: 'ask', id, question } satisfies Message);
      });
    },
    close: () => process.off('message', onMessage),
  };
}

/** The primary's end: passes questions on to the other workers and collects what they say. */
export function relayQuestions(clock: Clock): void {
  const open = new Map<string, { left: number; answers: unknown[]; finish: () => void }>();
  cluster.on('message', (from: Worker, message: unknown) => {
    if (!isMessage(message)) return;
    if (message.bus === 'answer') {
      const asked = open.get(message.id);
      if (asked === undefined) return;
      if (message.answer !== null) asked.answers.push(message.answer);
      asked.left--;
      if (asked.left <= 0) asked.finish();
    } else if (message.bus === 'ask') {
      const others = Object.values(cluster.workers ?? {}).filter(
        (worker) => worker !== undefined && worker !== from && worker.isConnected(),
      );
      const answers: unknown[] = [];
      const finish = (): void => {
        if (!open.delete(message.id)) return;
        timer.cancel();
        if (from.isConnected()) from.send({ bus: 'answers', id: message.id, answers } satisfies Message);
      };
      const timer = clock.setTimeout(finish, ANSWER_WITHIN_MS);
      open.set(message.id, { left: others.length, answers, finish });
      for (const worker of others)
        worker?.send({ bus: 'relay', id: message.id, question: message.question } satisfies Message);
      if (others.length === 0) finish();
    }
  });
}
