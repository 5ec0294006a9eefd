import { sql } from 'kysely';
import type { Db } from '../database.ts';
import type { RedemptionState } from './tables.ts';

export interface Offer {
  readonly id: string;
  readonly clientId: string;
  readonly title: string;
  readonly description: string;
  readonly priceRaw: string;
  readonly payee: string;
  readonly stock: number | null;
  readonly endsAt: Date | null;
}

export interface Redemption {
  readonly id: string;
  readonly offerId: string;
  readonly clientId: string;
  readonly payee: string;
  readonly personId: string;
  readonly wallet: string;
  readonly priceRaw: string;
  readonly state: RedemptionState;
  readonly reservedUntil: Date;
  readonly paymentHash: string | null;
  readonly settlementId: string | null;
  readonly reason: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export type OfferStore = ReturnType<typeof createOfferStore>;

/** SQL of partner offers and their redemptions. */
export function createOfferStore(db: Db) {
  const OFFER = [
    'id',
    'client_id as clientId',
    'title',
    'description',
    'price_raw as priceRaw',
    'payee',
    'stock',
    'ends_at as endsAt',
  ] as const;
  const redemptions = (on: Db) =>
    on
      .selectFrom('redemptions as r')
      .innerJoin('partner_offers as o', 'o.id', 'r.offer_id')
      .select([
        'r.id',
        'r.offer_id as offerId',
        'o.client_id as clientId',
        'o.payee',
        'r.person_id as personId',
        'r.wallet',
        'r.price_raw as priceRaw',
        'r.state',
        'r.reserved_until as reservedUntil',
        'r.payment_hash as paymentHash',
        'r.settlement_id as settlementId',
        'r.reason',
        'r.created_at as createdAt',
        'r.updated_at as updatedAt',
      ]);

  return {
    async addOffer(on: Db, offer: Offer): Promise<void> {
      await on
        .insertInto('partner_offers')
        .values({
          id: offer.id,
          client_id: offer.clientId,
          title: offer.title,
          description: offer.description,
          price_raw: offer.priceRaw,
          payee: offer.payee,
          stock: offer.stock,
          ends_at: offer.endsAt,
        })
        .execute();
    },
    findOffer: (id: string): Promise<Offer | undefined> =>
      db.selectFrom('partner_offers').select(OFFER).where('id', '=', id).executeTakeFirst(),
    async listOffers(now: Date, before: string | undefined, limit: number): Promise<Offer[]> {
      let query = db
        .selectFrom('partner_offers')
        .select(OFFER)
        .where((where) => where.or([where('ends_at', 'is', null), where('ends_at', '>', now)]))
        .orderBy('id', 'desc')
        .limit(limit);
      if (before !== undefined) query = query.where('id', '<', before);
      return query.execute();
    },

    /** Takes one from the stock and reserves it, or says that nothing is left. */
    async reserve(
      on: Db,
      entry: { id: string; offerId: string; personId: string; wallet: string; priceRaw: string; until: Date },
    ): Promise<boolean> {
      const taken = await on
        .updateTable('partner_offers')
        .set({ stock: sql`stock - 1` })
        .where('id', '=', entry.offerId)
        .where((where) => where.or([where('stock', 'is', null), where('stock', '>', 0)]))
        .executeTakeFirst();
      if (taken.numUpdatedRows === 0n) return false;
      await on
        .insertInto('redemptions')
        .values({
          id: entry.id,
          offer_id: entry.offerId,
          person_id: entry.personId,
          wallet: entry.wallet,
          price_raw: entry.priceRaw,
          state: 'reserved',
          reserved_until: entry.until,
          payment_hash: null,
          settlement_id: null,
          reason: null,
        })
        .execute();
      return true;
    },

    find: (on: Db, id: string): Promise<Redemption | undefined> =>
      redemptions(on).where('r.id', '=', id).executeTakeFirst(),

    async listOf(personId: string, before: string | undefined, limit: number): Promise<Redemption[]> {
      let query = redemptions(db).where('r.person_id', '=', personId).orderBy('r.id', 'desc').limit(limit);
      if (before !== undefined) query = query.where('r.id', '<', before);
      return query.execute();
    },

    /** Moves on only from the expected state, so that two callers cannot both do it. */
    async move(
      on: Db,
      id: string,
      from: RedemptionState,
      to: RedemptionState,
      change: { paymentHash?: string; reason?: string | null } = {},
    ): Promise<boolean> {
      const result = await on
        .updateTable('redemptions')
        .set({
          state: to,
          updated_at: sql`now()`,
          ...(change.paymentHash === undefined ? {} : { payment_hash: change.paymentHash }),
          ...(change.reason === undefined ? {} : { reason: change.reason }),
        })
        .where('id', '=', id)
        .where('state', '=', from)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },

    async setSettlement(id: string, settlementId: string): Promise<void> {
      await db.updateTable('redemptions').set({ settlement_id: settlementId }).where('id', '=', id).execute();
    },

    async unsettled(limit: number): Promise<Redemption[]> {
      return redemptions(db)
        .where('r.settlement_id', 'is', null)
        .where('r.state', 'in', ['confirmed', 'refunding'])
        .orderBy('r.updated_at')
        .limit(limit)
        .execute();
    },
    async refunding(limit: number): Promise<Redemption[]> {
      return redemptions(db)
        .where('r.settlement_id', 'is not', null)
        .where('r.state', '=', 'refunding')
        .orderBy('r.updated_at')
        .limit(limit)
        .execute();
    },

    /** Reservations that ended give their stock back. @returns how many. */
    async expire(on: Db, now: Date): Promise<number> {
      const ended = await on
        .updateTable('redemptions')
        .set({ state: 'expired', updated_at: now })
        .where('state', '=', 'reserved')
        .where('reserved_until', '<=', now)
        .returning('offer_id')
        .execute();
      for (const { offer_id } of ended) {
        await on
          .updateTable('partner_offers')
          .set({ stock: sql`stock + 1` })
          .where('id', '=', offer_id)
          .where('stock', 'is not', null)
          .execute();
      }
      return ended.length;
    },
  };
}
