/** Undoes what a story changed on the platform, in reverse order, each at most once. */
export interface Cleanup {
  /** Remember how to undo. Answers a function that undoes now and forgets. */
  add(name: string, undo: () => Promise<void> | void): () => Promise<void>;
  /** Undo all that is left, even when some of it fails. Answers what failed, as `name: message`. */
  run(): Promise<string[]>;
}

export function createCleanup(): Cleanup {
  const pending: { name: string; undo: () => Promise<void> | void }[] = [];
  return {
    add(name, undo) {
      const entry = { name, undo };
      pending.push(entry);
      return async () => {
        const at = pending.indexOf(entry);
        if (at === -1) return;
        // Forgotten only when it worked: a failed attempt is made again at the end.
        await undo();
        pending.splice(pending.indexOf(entry), 1);
      };
    },
    async run() {
      const failures: string[] = [];
      for (let entry = pending.pop(); entry; entry = pending.pop()) {
        try {
          await entry.undo();
        } catch (error) {
          failures.push(`${entry.name}: ${(error as Error).message}`);
        }
      }
      return failures;
    },
  };
}
