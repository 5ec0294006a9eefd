import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import { CHANNELS, type Channel, type Preferences } from '../preferences/schema.ts';
import type { Db } from '../shared/database.ts';
import { decide, type Occasion } from './rules.ts';
import type { DeliveryDraft, deliveryStore } from './store.ts';

/** A change of an inbox row, as the planner needs it. */
export interface PlannedChange {
  readonly row: {
    readonly id: string;
    readonly personId: string;
    readonly type: string;
    readonly stage: 'pending' | 'confirmed' | 'finalized' | 'reverted';
    readonly priority: number;
    readonly data: Readonly<Record<string, unknown>>;
  };
  /** The stage before; undefined for a new row. */
  readonly from: 'pending' | 'confirmed' | 'finalized' | 'reverted' | undefined;
}

/** The one e-mail target of a person; further targets are rows of `delivery_targets`. */
export const EMAIL_TARGET = 'email';

const occasionOf = ({ type, data }: PlannedChange['row']): Occasion => ({
  type,
  ...(typeof data.symbol === 'string' ? { symbol: data.symbol } : {}),
  ...(typeof data.amount === 'string' && /^\d+$/.test(data.amount) ? { amount: BigInt(data.amount) } : {}),
  ...(typeof data.decimals === 'number' ? { decimals: data.decimals } : {}),
});

/** A notice leaves the house when the chain has confirmed what it says; the inbox shows it before. */
const isFirstCertainty = ({ row, from }: PlannedChange): boolean =>
  (row.stage === 'confirmed' || row.stage === 'finalized') && (from === undefined || from === 'pending');

/**
 * Plans what leaves the house, in the transaction that wrote the inbox rows: a delivery for each channel and target, or
 * the reason why there is none. Everything that is sent later follows from these rows.
 */
export function createPlanner(deps: {
  store: Pick<typeof deliveryStore, 'insert' | 'revertNotices' | 'targetsOf'>;
  preferencesOf: (db: Db, personIds: readonly string[]) => Promise<ReadonlyMap<string, Preferences>>;
  timeZonesOf: (db: Db, personIds: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  emailsOf: (
    db: Db,
    personIds: readonly string[],
  ) => Promise<readonly { personId: string; blockedReason: string | null }[]>;
  clock: Pick<Clock, 'now'>;
  random: Random;
  onPlanned: (channel: Channel, state: string, count: number) => void;
}): (trx: Db, changes: readonly PlannedChange[]) => Promise<void> {
  const { store, preferencesOf, timeZonesOf, emailsOf, clock, random, onPlanned } = deps;

  const planNotices = async (trx: Db, changes: readonly PlannedChange[]): Promise<DeliveryDraft[]> => {
    const people = [...new Set(changes.map((c) => c.row.personId))];
    if (people.length === 0) return [];
    const emails = new Map((await emailsOf(trx, people)).map((e) => [e.personId, e]));
    const targets = Map.groupBy(await store.targetsOf(trx, people), (t) => t.personId);
    const reachable = people.filter((p) => emails.has(p) || targets.has(p));
    if (reachable.length === 0) return [];
    const preferences = await preferencesOf(trx, reachable);
    const zones = await timeZonesOf(trx, reachable);
    const now = clock.now();
    return changes.flatMap(({ row }) => {
      const own = preferences.get(row.personId);
      if (!own) return [];
      const email = emails.get(row.personId);
      return CHANNELS.flatMap((channel): DeliveryDraft[] => {
        const ids =
          channel === 'email'
            ? email
              ? [EMAIL_TARGET]
              : []
            : (targets.get(row.personId) ?? []).filter((t) => t.channel === channel).map((t) => t.id);
        if (ids.length === 0) return [];
        const blocked = channel === 'email' ? email?.blockedReason : null;
        const decision = blocked
          ? { send: false as const, reason: `the address is blocked (${blocked})` }
          : decide(occasionOf(row), channel, own, zones.get(row.personId) ?? 'UTC', now);
        return ids.map((target) => ({
          id: random.uuid(),
          inboxId: row.id,
          personId: row.personId,
          kind: 'notice',
          channel,
          target,
          priority: row.priority,
          state: decision.send ? 'waiting' : 'suppressed',
          digest: decision.send && decision.digest,
          reason: decision.send ? null : decision.reason,
          dueAt: new Date(decision.send ? decision.dueAt : now),
        }));
      });
    });
  };

  const planReversals = async (trx: Db, changes: readonly PlannedChange[]): Promise<DeliveryDraft[]> => {
    if (changes.length === 0) return [];
    const now = new Date(clock.now());
    const rows = new Map(changes.map((c) => [c.row.id, c.row]));
    const told = await store.revertNotices(trx, [...rows.keys()], now);
    return told.flatMap(({ inboxId, channel, target }) => {
      const row = rows.get(inboxId);
      if (!row) return [];
      // Whoever was told something that is not true any more hears it at once, quiet hours or not.
      return [
        {
          id: random.uuid(),
          inboxId,
          personId: row.personId,
          kind: 'reverted' as const,
          channel,
          target,
          priority: row.priority,
          state: 'waiting' as const,
          digest: false,
          reason: null,
          dueAt: now,
        },
      ];
    });
  };

  return async (trx, changes) => {
    const drafts = [
      ...(await planNotices(trx, changes.filter(isFirstCertainty))),
      ...(await planReversals(
        trx,
        changes.filter((c) => c.row.stage === 'reverted'),
      )),
    ];
    await store.insert(trx, drafts, new Date(clock.now()));
    for (const [key, some] of Map.groupBy(drafts, (d) => `${d.channel}|${d.state}`)) {
      const [channel, state] = key.split('|') as [Channel, string];
      onPlanned(channel, state, some.length);
    }
  };
}
