import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Channel } from '../preferences/schema.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { Breaker } from './breaker.ts';
import type { ChannelSender, Message, Notification, Outcome } from './channel.ts';
import { type RetryPolicy, retryDelay } from './rules.ts';
import type { DeliveryRow, deliveryStore } from './store.ts';

/** One message to send: a delivery, or all notices of a digest. */
export interface Job {
  readonly items: readonly { readonly id: string; readonly claims: number }[];
}

export type Target = unknown;

/** Finds where a delivery goes. `undefined`: the person has no such target any more. */
export type TargetFinder = (
  db: Db,
  row: DeliveryRow,
) => Promise<{ target: Target; targetId: string | undefined } | undefined>;

export interface DeliveryWorker {
  /** Sends one job and records what became of it. Never throws for a failed sending, only for a failed record. */
  process(channel: Channel, job: Job, signal: AbortSignal): Promise<void>;
}

export function createDeliveryWorker(deps: {
  postgres: Pick<UserPostgres, 'db'>;
  store: Pick<typeof deliveryStore, 'get' | 'finish' | 'disableTarget'>;
  // biome-ignore lint/suspicious/noExplicitAny: each channel has its own target type, paired with it by findTarget.
  senders: Partial<Record<Channel, ChannelSender<any>>>;
  findTarget: TargetFinder;
  notificationsOf: (db: Db, inboxIds: readonly string[]) => Promise<readonly Notification[]>;
  personOf: (db: Db, personId: string) => Promise<{ locale: string; timeZone: string } | undefined>;
  openPayload: (sealed: string) => Record<string, unknown>;
  blockAddress: (address: string, reason: string) => Promise<unknown>;
  breaker: Breaker;
  /** Milliseconds to wait when the person or the provider has had enough for now. */
  throttle: (provider: string, row: DeliveryRow) => Promise<number>;
  policies: Record<Channel, RetryPolicy>;
  timeoutMs: Record<Channel, number>;
  clock: Clock;
  random: Pick<Random, 'float'>;
  log: Logger;
  onOutcome: (channel: Channel, outcome: string, tookMs: number, row: DeliveryRow) => void;
}): DeliveryWorker {
  const { postgres, store, senders, breaker, clock, random, log, policies } = deps;
  const { db } = postgres;

  const buildMessage = async (rows: readonly DeliveryRow[]): Promise<Message | undefined> => {
    const [row] = rows;
    if (!row) return undefined;
    const payload = row.sealedPayload === null ? undefined : deps.openPayload(row.sealedPayload);
    const person = row.personId === null ? undefined : await deps.personOf(db, row.personId);
    const inboxIds = rows.flatMap((r) => (r.inboxId === null ? [] : [r.inboxId]));
    return {
      id: row.id,
      kind: row.kind,
      personId: row.personId,
      locale: person?.locale ?? (typeof payload?.locale === 'string' ? payload.locale : 'en'),
      timeZone: person?.timeZone ?? 'UTC',
      notifications: inboxIds.length === 0 ? [] : await deps.notificationsOf(db, inboxIds),
      payload,
    };
  };

  return {
    async process(channel, job, signal) {
      const started = clock.monotonic();
      const rows: DeliveryRow[] = [];
      const items: { id: string; claims: number }[] = [];
      for (const item of job.items) {
        const row = await store.get(db, item.id);
        // Somebody else has it, or it is done: the claim number tells.
        if (row?.state !== 'sending' || row.claims !== item.claims) continue;
        rows.push(row);
        items.push(item);
      }
      const [row] = rows;
      if (!row) return;
      const finish = (
        state: 'delivered' | 'dead' | 'waiting' | 'suppressed',
        reason: string | null,
        options: { dueIn?: number; countAttempt: boolean; label: string },
      ) => {
        const tookMs = Math.round(clock.monotonic() - started);
        deps.onOutcome(channel, options.label, tookMs, row);
        return store.finish(db, items, {
          state,
          reason,
          dueAt: options.dueIn === undefined ? null : new Date(clock.now() + options.dueIn),
          countAttempt: options.countAttempt,
          log: reason ?? '',
          tookMs,
          now: new Date(clock.now()),
        });
      };

      const sender = senders[channel];
      if (!sender) {
        await finish('suppressed', `${channel} is not configured`, {
          countAttempt: false,
          label: 'suppressed',
        });
        return;
      }
      const found = await deps.findTarget(db, row);
      if (!found) {
        await finish('suppressed', 'the target was removed', { countAttempt: false, label: 'suppressed' });
        return;
      }
      const provider = sender.providerOf(found.target);
      // The breaker is asked last: its "go ahead" may be the one probe, which must not be wasted.
      const pause = (await deps.throttle(provider, row)) || breaker.waitMs(provider);
      if (pause > 0) {
        await finish('waiting', `${provider} is paused`, {
          dueIn: pause,
          countAttempt: false,
          label: 'paused',
        });
        return;
      }
      const message = await buildMessage(rows);
      if (!message) return;
      const outcome = await attempt(sender, message, found.target, channel, signal);
      breaker.record(provider, outcome.result !== 'retry' || !outcome.providerFault);
      await record(outcome, row, found, channel, finish);
    },
  };

  async function attempt(
    sender: ChannelSender<unknown>,
    message: Message,
    target: unknown,
    channel: Channel,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const limit = new AbortController();
    const timer = clock.setTimeout(
      () => limit.abort(new Error(`no answer within ${deps.timeoutMs[channel]} ms`)),
      deps.timeoutMs[channel],
    );
    try {
      return await sender.send(message, target, AbortSignal.any([signal, limit.signal]));
    } catch (error) {
      // A sender reports failures by its outcome; what it throws is our mistake, and must not be lost either.
      log.error({ err: error, channel }, 'a channel failed in an unexpected way');
      return {
        result: 'retry',
        detail: `internal: ${(error as Error).message}`.slice(0, 300),
        providerFault: false,
      };
    } finally {
      timer.cancel();
    }
  }

  async function record(
    outcome: Outcome,
    row: DeliveryRow,
    found: { target: Target; targetId: string | undefined },
    channel: Channel,
    finish: (
      state: 'delivered' | 'dead' | 'waiting',
      reason: string | null,
      options: { dueIn?: number; countAttempt: boolean; label: string },
    ) => Promise<unknown>,
  ): Promise<void> {
    if (outcome.result === 'delivered') {
      await finish('delivered', outcome.detail, { countAttempt: true, label: 'delivered' });
      return;
    }
    if (outcome.result === 'dead') {
      await finish('dead', outcome.detail, { countAttempt: true, label: 'dead' });
      if (outcome.target === 'disable' && found.targetId !== undefined)
        await store.disableTarget(db, found.targetId, outcome.detail, new Date(clock.now()));
      if (outcome.target === 'block-address')
        await deps.blockAddress((found.target as { address: string }).address, outcome.detail);
      return;
    }
    const tries = row.attempts + 1;
    const policy = policies[channel];
    if (tries >= policy.maxAttempts) {
      await finish('dead', `gave up after ${tries} tries: ${outcome.detail}`, {
        countAttempt: true,
        label: 'dead',
      });
      return;
    }
    const dueIn = retryDelay(policy, tries, random.float(), outcome.retryAfterMs);
    await finish('waiting', outcome.detail, { dueIn, countAttempt: true, label: 'retry' });
  }
}
