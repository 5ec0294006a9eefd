import { AppError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Notice } from '../notifications/matching.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import { type PartnerConnector, PartnerRefused, WebhookRefused } from './connector.ts';
import type { OrderRow, partnerStore } from './store.ts';

export interface Partners {
  /** Fetches the offers of every partner; one that fails stops no other. */
  refreshOffers(signal: AbortSignal): Promise<void>;
  /** @throws AppError `not_found` */
  order(trx: Db, personId: string, connector: string, offerId: string): Promise<OrderRow>;
  /** Sends placed orders. @returns true when there may be more. */
  sendOrders(signal: AbortSignal): Promise<boolean>;
  /** @throws AppError `not_found`, `invalid_signature` */
  receive(
    connector: string,
    request: { headers: Readonly<Record<string, string | string[] | undefined>>; body: Buffer },
  ): Promise<{ fresh: boolean }>;
}

const BATCH = 20;
/** An order is sent again after this when its sender died. */
const LEASE_MS = 60_000;
const MAX_ATTEMPTS = 12;
const CALL_TIMEOUT_MS = 15_000;

export function createPartners(deps: {
  connectors: readonly PartnerConnector[];
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof partnerStore;
  clock: Pick<Clock, 'now'>;
  random: Random;
  log: Logger;
  retryFirstMs: number;
  /** What a partner learns of a person: a name that only it can use. */
  pseudonym: (connector: string, personId: string) => string;
  notify: (trx: Db, notices: readonly Notice[]) => Promise<unknown>;
  onCall: (connector: string, what: string, outcome: string) => void;
}): Partners {
  const { connectors, postgres, store, clock, random, log, notify, onCall } = deps;
  const now = (): Date => new Date(clock.now());
  const byName = new Map(connectors.map((c) => [c.name, c]));
  const limited = (signal: AbortSignal): AbortSignal =>
    AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]);
  const notice = (order: OrderRow): Notice => ({
    personId: order.personId,
    eventKey: `partner:${order.id}:${order.state}`,
    type: `partner.order-${order.state}`,
    stage: 'finalized',
    data: { connector: order.connector, offerId: order.offerId, reason: order.reason },
    occurredAt: now(),
  });

  const sendOne = async (order: OrderRow, signal: AbortSignal): Promise<void> => {
    const connector = byName.get(order.connector);
    if (!connector) throw new Error(`the connector ${order.connector} is not configured any more`);
    const placed = await connector.placeOrder(
      { id: order.id, offerId: order.offerId, buyer: deps.pseudonym(order.connector, order.personId) },
      limited(signal),
    );
    await store.move(postgres.db, { id: order.id }, 'sent', { reference: placed.reference }, now());
    onCall(order.connector, 'order', 'sent');
  };

  const refuse = async (order: OrderRow, reason: string): Promise<void> => {
    onCall(order.connector, 'order', 'refused');
    await postgres.transaction(async (trx) => {
      const refused = await store.move(trx, { id: order.id }, 'refused', { reason }, now());
      if (refused) await notify(trx, [notice(refused)]);
    });
  };

  return {
    async refreshOffers(signal) {
      for (const connector of connectors) {
        try {
          const { offers, problems } = await connector.fetchOffers(limited(signal));
          await postgres.transaction(async (trx) => {
            await store.replaceOffers(trx, connector.name, offers, now());
            await store.recordProblems(trx, connector.name, problems, now());
          });
          onCall(connector.name, 'offers', problems.length > 0 ? 'partly' : 'ok');
        } catch (error) {
          onCall(connector.name, 'offers', 'failed');
          log.warn(
            { err: error, connector: connector.name },
            'the offers of a partner could not be fetched; the known ones stay',
          );
        }
      }
    },

    async order(trx, personId, connector, offerId) {
      if (!byName.has(connector) || !(await store.offerExists(trx, connector, offerId, now())))
        throw new AppError('not_found', 'There is no such offer any more.');
      return store.insertOrder(trx, { id: random.uuid(), personId, connector, offerId }, now());
    },

    async sendOrders(signal) {
      const orders = await store.claimOrders(postgres.db, now(), new Date(clock.now() + LEASE_MS), BATCH);
      for (const order of orders) {
        try {
          await sendOne(order, signal);
        } catch (error) {
          const detail = (error as Error).message;
          if (error instanceof PartnerRefused) await refuse(order, detail);
          else if (order.attempts >= MAX_ATTEMPTS) await refuse(order, `could not be placed: ${detail}`);
          else {
            onCall(order.connector, 'order', 'retry');
            const wait =
              Math.min(3_600_000, deps.retryFirstMs * 2 ** order.attempts) * (0.5 + random.float() / 2);
            await store.retryAt(postgres.db, order.id, new Date(clock.now() + wait), detail);
          }
        }
      }
      return orders.length === BATCH;
    },

    async receive(name, { headers, body }) {
      const connector = byName.get(name);
      if (!connector) throw new AppError('not_found', 'There is no such partner.');
      let read: ReturnType<PartnerConnector['readWebhook']>;
      try {
        read = connector.readWebhook({ headers, body, now: clock.now() });
      } catch (error) {
        onCall(name, 'webhook', 'refused');
        if (error instanceof WebhookRefused)
          throw new AppError('invalid_signature', `The webhook was refused: ${error.message}.`, {
            cause: error,
          });
        throw new AppError('invalid_request', 'The webhook could not be read.', { cause: error });
      }
      return postgres.transaction(async (trx) => {
        if (!(await store.firstTime(trx, name, read.id, now()))) {
          onCall(name, 'webhook', 'replay');
          return { fresh: false };
        }
        await store.recordProblems(trx, name, read.problems, now());
        for (const news of read.news) {
          const moved = await store.move(
            trx,
            { connector: name, reference: news.reference },
            news.state,
            { reason: news.reason },
            now(),
          );
          if (moved) await notify(trx, [notice(moved)]);
        }
        onCall(name, 'webhook', 'ok');
        return { fresh: true };
      });
    },
  };
}
