import { AppError } from '../../../lib/errors.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Stage } from '../gateway/schemas.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { InboxRow, inboxStore } from './inbox-store.ts';
import type { Notice } from './matching.ts';
import { noticeKey, planInbox } from './rules.ts';

/** Security notices jump every queue; the rest takes its turn. */
export const PRIORITY = { security: 0, normal: 1, bulk: 2 } as const;

/** A row that is new or changed, as channels see it. */
export interface InboxChanged {
  readonly row: Pick<
    InboxRow,
    'id' | 'personId' | 'eventKey' | 'type' | 'stage' | 'priority' | 'data' | 'occurredAt'
  >;
  /** The stage before; undefined for a new row. */
  readonly from: Stage | undefined;
}

export interface Inbox {
  /** Writes notices within the caller's transaction: one row per (person, event), however often and at whatever stage. */
  apply(trx: Db, notices: readonly Notice[]): Promise<readonly InboxChanged[]>;
  list(
    personId: string,
    filter: {
      before?: { createdAt: Date; id: string } | undefined;
      unreadOnly: boolean;
      archived: boolean;
      limit: number;
    },
  ): Promise<InboxRow[]>;
  unreadCount(personId: string): Promise<number>;
  /** @throws AppError `not_found` */
  mark(personId: string, id: string, mark: 'read_at' | 'archived_at', on: boolean): Promise<InboxRow>;
  markAllRead(personId: string): Promise<number>;
}

export function createInbox(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof inboxStore;
  clock: Pick<Clock, 'now'>;
  random: Random;
  /** Plans the deliveries of what changed, in the same transaction. */
  onChanged: (trx: Db, changes: readonly InboxChanged[]) => Promise<void>;
  onCreated: (type: string, count: number) => void;
}): Inbox {
  const { postgres, store, clock, random, onChanged, onCreated } = deps;
  const priorityOf = (type: string): number =>
    type.startsWith('security.') ? PRIORITY.security : PRIORITY.normal;

  return {
    async apply(trx, notices) {
      if (notices.length === 0) return [];
      const now = new Date(clock.now());
      const unique = [...new Map(notices.map((n) => [noticeKey(n), n])).values()];
      const stored = new Map((await store.stagesOf(trx, unique)).map((row) => [noticeKey(row), row.stage]));
      const plan = planInbox(notices, stored);
      if (plan.length === 0) return [];

      const personOf = (change: (typeof plan)[number]): string =>
        change.do === 'insert' ? change.notice.personId : change.personId;
      const counts = new Map<string, number>();
      for (const change of plan) counts.set(personOf(change), (counts.get(personOf(change)) ?? 0) + 1);
      const last = await store.takePositions(trx, counts);
      const left = new Map(counts);
      const nextPosition = (personId: string): number => {
        const n = left.get(personId) as number;
        left.set(personId, n - 1);
        return (last.get(personId) as number) - n + 1;
      };

      const inserts = plan.flatMap((change) =>
        change.do === 'insert'
          ? [
              {
                ...change.notice,
                id: random.uuid(),
                position: nextPosition(change.notice.personId),
                priority: priorityOf(change.notice.type),
              },
            ]
          : [],
      );
      const restages = plan.flatMap((change) =>
        change.do === 'restage' ? [{ ...change, position: nextPosition(change.personId) }] : [],
      );
      const before = new Map(restages.map((r) => [noticeKey(r), r.from]));
      if (inserts.length > 0) await store.insert(trx, inserts, now);
      const restaged = restages.length > 0 ? await store.restage(trx, restages, now) : [];
      const changes: InboxChanged[] = [
        ...inserts.map((row) => ({ row, from: undefined })),
        ...restaged.map((row) => ({ row, from: before.get(noticeKey(row)) })),
      ];
      await onChanged(trx, changes);
      await store.hint(trx, counts.keys());
      for (const type of new Set(inserts.map((i) => i.type)))
        onCreated(type, inserts.filter((i) => i.type === type).length);
      return changes;
    },

    list: (personId, filter) => store.list(postgres.db, personId, { before: undefined, ...filter }),
    unreadCount: (personId) => store.unreadCount(postgres.db, personId),

    mark: (personId, id, mark, on) =>
      postgres.transaction(async (trx) => {
        const at = on ? new Date(clock.now()) : null;
        const row = await store.get(trx, personId, id);
        if (!row) throw new AppError('not_found', 'There is no notification with this id in the inbox.');
        const has = (mark === 'read_at' ? row.readAt : row.archivedAt) !== null;
        if (has === on) return row;
        // Other devices learn of it by the stream, so it takes a position like every change.
        const position = (await store.takePositions(trx, new Map([[personId, 1]]))).get(personId) as number;
        await store.mark(trx, personId, id, mark, at, position);
        await store.hint(trx, [personId]);
        return (await store.get(trx, personId, id)) as InboxRow;
      }),

    async markAllRead(personId) {
      return postgres.transaction(async (trx) => {
        const changed = await store.markAllRead(trx, personId, new Date(clock.now()));
        return changed;
      });
    },
  };
}
