import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Gateway } from '../gateway/client.ts';
import type { ChainEvent, EventPage } from '../gateway/schemas.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { cursorStore } from './store.ts';

/** What is done with a batch, within the transaction that moves the cursor. */
export type BatchHandler = (trx: Db, events: readonly ChainEvent[]) => Promise<void>;

export interface Consumer {
  /** Applies one page. @returns how many events were applied; -1 when another replica was faster. */
  applyPage(after: number, page: EventPage): Promise<number>;
  /** Reads and applies until the signal aborts; survives every failure of the gateway and the database. */
  run(signal: AbortSignal): Promise<void>;
}

const CONSUMER = 'main';
/** Large enough to catch up fast, small enough that its transaction stays short. */
const BATCH = 500;
const WAIT_SECONDS = 20;
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/**
 * Reads the gateway's event log from where the cursor stands. The cursor moves in the same transaction as the effects,
 * so each event acts exactly once. Any number of replicas may run: all read, the one that gets the cursor's row first
 * applies, the others find that it has moved and read again. That wastes a read, and needs no election.
 */
export function createConsumer(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  gateway: Pick<Gateway, 'events'>;
  store: typeof cursorStore;
  handle: BatchHandler;
  clock: Clock;
  random: { float(): number };
  log: Logger;
  onApplied: (events: readonly ChainEvent[]) => void;
  onFailure: () => void;
  waitSeconds?: number;
}): Consumer {
  const {
    postgres,
    gateway,
    store,
    handle,
    clock,
    random,
    log,
    onApplied,
    onFailure,
    waitSeconds = WAIT_SECONDS,
  } = deps;

  const applyPage: Consumer['applyPage'] = async (after, page) => {
    const applied = await postgres.transaction(async (trx) => {
      const cursor = await store.lock(trx, CONSUMER);
      if (cursor.seq !== after) return -1;
      const events = page.events.filter((event) => event.seq > after).sort((a, b) => a.seq - b.seq);
      const last = events.at(-1);
      if (!last) return 0;
      await handle(trx, events);
      const blockNumber = Math.max(...events.map((event) => event.blockNumber));
      await store.move(
        trx,
        CONSUMER,
        { seq: last.seq, blockNumber, blockTime: last.blockTime },
        new Date(clock.now()),
      );
      return events.length;
    });
    if (applied > 0) onApplied(page.events);
    return applied;
  };

  return {
    applyPage,
    async run(signal) {
      let failures = 0;
      let after: number | undefined;
      while (!signal.aborted) {
        try {
          after ??= (await store.read(postgres.db, CONSUMER)).seq;
          const page = await gateway.events({ after, limit: BATCH, waitSeconds, signal });
          if (page.next < after)
            throw new Error(
              `the event log ends at ${page.next}, before our cursor ${after}: was the gateway's database reset?`,
            );
          const applied = page.events.length === 0 ? 0 : await applyPage(after, page);
          after = applied === -1 ? undefined : (page.events.at(-1)?.seq ?? after);
          if (failures > 0) log.info({ failures }, 'the event log is being consumed again');
          failures = 0;
        } catch (error) {
          if (signal.aborted) return;
          failures++;
          onFailure();
          after = undefined;
          if (failures === 1 || failures % 20 === 0)
            log.warn({ err: error, failures }, 'the event log could not be consumed; trying again');
          const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(failures, 10));
          await clock.sleep(ceiling * (0.5 + random.float() / 2), signal).catch(() => undefined);
        }
      }
    },
  };
}
