import pg from 'pg';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { UserPostgres } from '../shared/database.ts';
import { INBOX_HINT, type InboxRow, type inboxStore } from './inbox-store.ts';

/** One open stream; `deliver` answers false when the reader is gone or too slow. */
interface Reader {
  readonly personId: string;
  position: number;
  readonly deliver: (rows: readonly InboxRow[]) => boolean;
  /** Readers that missed more than a page get the rest in further rounds. */
}

export interface Hub {
  /** Streams everything after `position`; returns how to stop. */
  open(input: {
    personId: string;
    position: number | undefined;
    deliver: (rows: readonly InboxRow[]) => boolean;
  }): Promise<() => void>;
  /** Looks at people's inboxes soon; what a LISTEN hint does. */
  wake(personIds: Iterable<string>): void;
  /** Serves until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  readonly size: number;
}

/** Without any hint a reader waits this long at most: hints can be lost, rows cannot. */
const SWEEP_MS = 2_000;
const PAGE_PER_READER = 200;
/** People per query. */
const PEOPLE_PER_QUERY = 500;
const RECONNECT_MS = 500;

/**
 * Feeds open streams from the inbox table. The table is the truth and positions are gapless in commit order, so a reader
 * that asks "what came after n?" misses nothing, whatever happens to hints, connections or replicas.
 */
export function createHub(deps: {
  postgres: Pick<UserPostgres, 'db'>;
  store: Pick<typeof inboxStore, 'since' | 'lastPositions'>;
  databaseUrl: string;
  clock: Clock;
  log: Logger;
  onDelivered: (rows: readonly InboxRow[]) => void;
}): Hub {
  const { postgres, store, databaseUrl, clock, log, onDelivered } = deps;
  const readers = new Map<string, Set<Reader>>();
  const due = new Set<string>();
  let size = 0;
  let kick: (() => void) | undefined;

  const wake = (personIds: Iterable<string>): void => {
    for (const id of personIds) if (readers.has(id)) due.add(id);
    if (due.size > 0) kick?.();
  };

  const serve = async (people: readonly string[]): Promise<void> => {
    const wanted = people.flatMap((personId) => {
      const set = readers.get(personId);
      return set ? [{ personId, position: Math.min(...[...set].map((r) => r.position)) }] : [];
    });
    if (wanted.length === 0) return;
    const found = await store.since(postgres.db, wanted, PAGE_PER_READER);
    const byPerson = Map.groupBy(found, (row) => row.personId);
    for (const [personId, items] of byPerson) {
      // There may be more than a page: look again at once.
      if (items.length === PAGE_PER_READER) due.add(personId);
      for (const reader of readers.get(personId) ?? []) {
        const fresh = items.filter((row) => row.position > reader.position);
        if (fresh.length === 0) continue;
        if (reader.deliver(fresh)) {
          reader.position = (fresh.at(-1) as InboxRow).position;
          onDelivered(fresh);
        }
      }
    }
  };

  const drain = async (): Promise<void> => {
    while (due.size > 0) {
      const people = [...due].slice(0, PEOPLE_PER_QUERY);
      for (const id of people) due.delete(id);
      try {
        await serve(people);
      } catch (error) {
        for (const id of people) due.add(id);
        throw error;
      }
    }
  };

  const sweep = async (): Promise<void> => {
    const people = [...readers.keys()];
    for (let i = 0; i < people.length; i += PEOPLE_PER_QUERY) {
      const some = people.slice(i, i + PEOPLE_PER_QUERY);
      const last = await store.lastPositions(postgres.db, some);
      wake(some.filter((id) => [...(readers.get(id) ?? [])].some((r) => r.position < (last.get(id) ?? 0))));
    }
  };

  /** Keeps one LISTEN connection open; losing it costs speed until the next sweep, never a row. */
  const listen = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const client = new pg.Client({
        connectionString: databaseUrl,
        application_name: 'rejuve-users-listen',
        keepAlive: true,
        connectionTimeoutMillis: 3_000,
      });
      try {
        const ended = new Promise<void>((resolve) => {
          client.on('error', () => resolve());
          client.on('end', () => resolve());
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        client.on('notification', (message) => wake((message.payload ?? '').split(',')));
        await client.connect();
        await client.query(`listen ${INBOX_HINT}`);
        wake(readers.keys());
        await ended;
      } catch (error) {
        log.debug({ err: error }, 'cannot listen for inbox hints; polling meanwhile');
      }
      await client.end().catch(() => undefined);
      if (!signal.aborted) await clock.sleep(RECONNECT_MS, signal).catch(() => undefined);
    }
  };

  const loop = async (signal: AbortSignal): Promise<void> => {
    let nextSweep = clock.monotonic() + SWEEP_MS;
    while (!signal.aborted) {
      try {
        await drain();
        if (clock.monotonic() >= nextSweep) {
          nextSweep = clock.monotonic() + SWEEP_MS;
          await sweep();
          continue;
        }
      } catch (error) {
        log.debug({ err: error }, 'open streams could not be served; trying again');
        await clock.sleep(RECONNECT_MS, signal).catch(() => undefined);
        continue;
      }
      if (due.size > 0) continue;
      const waiting = new Promise<void>((resolve) => {
        kick = resolve;
      });
      const pause = new AbortController();
      const timer = clock
        .sleep(Math.max(1, nextSweep - clock.monotonic()), AbortSignal.any([signal, pause.signal]))
        .catch(() => undefined);
      await Promise.race([waiting, timer]);
      pause.abort();
      kick = undefined;
    }
  };

  return {
    wake,
    get size() {
      return size;
    },
    async open({ personId, position, deliver }) {
      const from = position ?? (await store.lastPositions(postgres.db, [personId])).get(personId) ?? 0;
      const reader: Reader = { personId, position: from, deliver };
      const set = readers.get(personId) ?? new Set();
      set.add(reader);
      readers.set(personId, set);
      size++;
      wake([personId]);
      return () => {
        if (!set.delete(reader)) return;
        size--;
        if (set.size === 0 && readers.get(personId) === set) readers.delete(personId);
      };
    },
    async run(signal) {
      await Promise.all([listen(signal), loop(signal)]);
    },
  };
}
