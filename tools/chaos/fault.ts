import type { PromiseNumber } from '../../lib/slo/objective.ts';
import type { ProviderControl } from '../demo/provider-control.ts';
import type { StackAccess } from '../demo/stack-access.ts';

/** What a fault may use to strike. */
export interface ChaosWorld {
  readonly stack: StackAccess;
  readonly control: StackAccess['control'];
  readonly providers: { readonly alpha: ProviderControl; readonly beta: ProviderControl };
  /** Asks the chain itself, past all providers. */
  rpc(method: string, params?: unknown[]): Promise<unknown>;
  /** Runs SQL as the owner of the database. */
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
  redis(command: string, ...args: string[]): Promise<unknown>;
  /** Sends so many transfers at once. */
  burst(count: number): Promise<void>;
  sleep(ms: number): Promise<void>;
}

export interface Fault {
  /** kebab-case; `--only` takes it. */
  readonly id: string;
  readonly title: string;
  /** What it stands for in production. */
  readonly like: string;
  /** Promises that may be broken while it lasts. Transactions and notifications may be late, never lost. */
  readonly tolerates: readonly PromiseNumber[];
  /** How long it lasts, when the fault does not say it itself by returning. */
  readonly holdMs: number;
  /** All promises are kept again this long after it ended. */
  readonly recoverWithinMs: number;
  strike(world: ChaosWorld): Promise<void>;
  /** Ends it. Always called, also after a failed strike. */
  clear(world: ChaosWorld): Promise<void>;
  /** Done only to see alerts fire: no promise is judged. */
  readonly rehearsal?: true;
  /** Part of the subset that CI runs. */
  readonly quick?: true;
}
