/** Groups what arrives while the last group is under way: one statement for many calls, and no waiting when idle. */
export interface Batcher<I, O> {
  add(item: I): Promise<O>;
  /** Resolves when nothing is waiting or under way. */
  idle(): Promise<void>;
}

/** @param run answers in the order of its items; when it rejects, every item of the group rejects */
export function createBatcher<I, O>(
  run: (items: readonly I[]) => Promise<readonly O[]>,
  maxItems = 500,
): Batcher<I, O> {
  let waiting: { item: I; resolve: (value: O) => void; reject: (error: unknown) => void }[] = [];
  let running: Promise<void> | undefined;

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting.slice(0, maxItems);
      waiting = waiting.slice(maxItems);
      try {
        const answers = await run(group.map(({ item }) => item));
        for (const [index, { resolve }] of group.entries()) resolve(answers[index] as O);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    running = undefined;
  }
  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        // After this turn of the loop: calls that arrive together go together.
        running ??= Promise.resolve().then(drain);
      }),
    async idle() {
      await running;
    },
  };
}
