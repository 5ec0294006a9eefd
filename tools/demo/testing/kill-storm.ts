import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../../lib/random.ts';
import type { createControlClient } from '../../stack/control-api.ts';
import { DemoFailure } from '../demo-failure.ts';
import { requestTransfer } from '../request-transfer.ts';
import type { Story } from '../story.ts';

export interface StormOptions {
  readonly story: Story;
  readonly control: ReturnType<typeof createControlClient>;
  /** Children to kill; each kill takes one of them by chance. */
  readonly roles: readonly string[];
  readonly lastsMs: number;
  readonly random: Pick<Random, 'float'>;
  readonly to: string;
  readonly rawAmount: bigint;
}

export interface Storm {
  /** Ids of the transactions that were accepted, in order. */
  readonly accepted: readonly string[];
  readonly kills: readonly string[];
}

/** Between two transfers: several are always on their way. */
const TRANSFER_EVERY_MS = 300;
/** Between two kills: sometimes less than a restart takes. */
const KILL_EVERY_MS = { from: 500, to: 2_500 };
/** A client whose request failed asks again after this time, with the same key. */
const ASK_AGAIN_MS = 300;

/** Sends transfers without pause while processes die at random. Ends when every transfer it began is accepted. */
export async function runKillStorm(options: StormOptions): Promise<Storm> {
  const { story, control, roles, random } = options;
  const ends = performance.now() + options.lastsMs;
  const accepted: string[] = [];
  const kills: string[] = [];

  async function send(): Promise<void> {
    while (performance.now() < ends) {
      const transfer = { to: options.to, rawAmount: options.rawAmount, idempotencyKey: crypto.randomUUID() };
      accepted.push(await untilAccepted(story, transfer));
      await sleep(TRANSFER_EVERY_MS);
    }
  }
  async function kill(): Promise<void> {
    for (;;) {
      await sleep(KILL_EVERY_MS.from + random.float() * (KILL_EVERY_MS.to - KILL_EVERY_MS.from));
      if (performance.now() >= ends) return;
      const role = roles[Math.floor(random.float() * roles.length)] as string;
      // One that is down already cannot be killed: a storm does not care.
      await control.child(role, 'kill').then(
        () => kills.push(role),
        () => undefined,
      );
    }
  }
  await Promise.all([send(), kill()]);
  return { accepted, kills };
}

/** The id of the transaction; the request is repeated with its key until somebody answers it. */
async function untilAccepted(story: Story, transfer: Parameters<typeof requestTransfer>[1]): Promise<string> {
  for (;;) {
    try {
      const { body } = await requestTransfer(story, transfer);
      return body.id;
    } catch (error) {
      if (!(error instanceof DemoFailure)) throw error;
      await sleep(ASK_AGAIN_MS, undefined, { signal: story.signal });
    }
  }
}
