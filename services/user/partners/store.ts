import { sql } from 'kysely';
import { affected, type Db, first, rows } from '../shared/database.ts';
import type { MappingProblem, Offer } from './connector.ts';

export interface OrderRow {
  readonly id: string;
  readonly personId: string;
  readonly connector: string;
  readonly offerId: string;
  readonly state: 'placed' | 'sent' | 'fulfilled' | 'refused';
  readonly partnerReference: string | null;
  readonly reason: string | null;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const orderColumns =
  sql.raw(`id, person_id as "personId", connector, offer_id as "offerId", state, partner_reference as "partnerReference",
  reason, attempts, created_at as "createdAt", updated_at as "updatedAt"`);

export const partnerStore = {
  /** Replaces the offers of a connector by what it offers now. */
  async replaceOffers(db: Db, connector: string, offers: readonly Offer[], now: Date): Promise<void> {
    await sql`insert into partner_offers (connector, offer_id, title, description, price, currency, available_until, fetched_at)
      select ${connector}, u.*, ${now} from unnest(${offers.map((o) => o.offerId)}::text[], ${offers.map((o) => o.title)}::text[],
        ${offers.map((o) => o.description)}::text[], ${offers.map((o) => o.price.toString())}::numeric[], ${offers.map((o) => o.currency)}::text[],
        ${offers.map((o) => o.availableUntil?.toISOString() ?? null)}::timestamptz[]) as u
      on conflict (connector, offer_id) do update set title = excluded.title, description = excluded.description, price = excluded.price,
        currency = excluded.currency, available_until = excluded.available_until, fetched_at = excluded.fetched_at`.execute(
      db,
    );
    await sql`delete from partner_offers where connector = ${connector} and fetched_at < ${now}`.execute(db);
  },
  offers(
    db: Db,
    now: Date,
  ): Promise<
    {
      connector: string;
      offerId: string;
      title: string;
      description: string;
      price: string;
      currency: string;
      availableUntil: Date | null;
    }[]
  > {
    return rows(
      db,
      sql`select connector, offer_id as "offerId", title, description, price, currency, available_until as "availableUntil"
        from partner_offers where available_until is null or available_until > ${now} order by connector, offer_id limit 1000`,
    );
  },
  offerExists: (db: Db, connector: string, offerId: string, now: Date): Promise<boolean> =>
    first(
      db,
      sql`select 1 from partner_offers where connector = ${connector} and offer_id = ${offerId} and (available_until is null or available_until > ${now})`,
    ).then((row) => row !== undefined),
  async insertOrder(
    db: Db,
    o: { id: string; personId: string; connector: string; offerId: string },
    now: Date,
  ): Promise<OrderRow> {
    return (await first(
      db,
      sql<OrderRow>`insert into partner_orders (id, person_id, connector, offer_id, state, due_at, created_at, updated_at)
        values (${o.id}, ${o.personId}, ${o.connector}, ${o.offerId}, 'placed', ${now}, ${now}, ${now}) returning ${orderColumns}`,
    )) as OrderRow;
  },
  orders(db: Db, personId: string): Promise<OrderRow[]> {
    return rows(
      db,
      sql<OrderRow>`select ${orderColumns} from partner_orders where person_id = ${personId} order by created_at desc limit 200`,
    );
  },
  /** Orders to send, put off at once so that nobody else sends them meanwhile. */
  claimOrders(db: Db, now: Date, until: Date, limit: number): Promise<OrderRow[]> {
    return rows(
      db,
      sql<OrderRow>`update partner_orders set due_at = ${until}, attempts = attempts + 1 where id in (
          select id from partner_orders where state = 'placed' and due_at <= ${now} order by due_at limit ${limit} for update skip locked)
        returning ${orderColumns}`,
    );
  },
  move(
    db: Db,
    where: { id: string } | { connector: string; reference: string },
    to: OrderRow['state'],
    more: { reference?: string; reason?: string | null },
    now: Date,
  ): Promise<OrderRow | undefined> {
    const match =
      'id' in where
        ? sql`id = ${where.id}`
        : sql`connector = ${where.connector} and partner_reference = ${where.reference}`;
    return first(
      db,
      sql<OrderRow>`update partner_orders set state = ${to}, partner_reference = coalesce(${more.reference ?? null}, partner_reference),
          reason = ${more.reason ?? null}, updated_at = ${now}
        where ${match} and state in ('placed', 'sent') returning ${orderColumns}`,
    );
  },
  async retryAt(db: Db, id: string, at: Date, reason: string): Promise<void> {
    await sql`update partner_orders set due_at = ${at}, reason = ${reason} where id = ${id} and state = 'placed'`.execute(
      db,
    );
  },
  /** @returns false when the webhook was seen before. */
  async firstTime(db: Db, connector: string, id: string, now: Date): Promise<boolean> {
    return (
      (await affected(
        db,
        sql`insert into partner_webhooks (connector, webhook_id, received_at) values (${connector}, ${id}, ${now}) on conflict do nothing`,
      )) > 0
    );
  },
  async recordProblems(
    db: Db,
    connector: string,
    problems: readonly MappingProblem[],
    now: Date,
  ): Promise<void> {
    for (const p of problems)
      await sql`insert into partner_problems (connector, what, detail, sample, first_at, last_at)
        values (${connector}, ${p.what}, ${p.detail}, ${JSON.stringify(p.sample ?? null)}::jsonb, ${now}, ${now})
        on conflict (connector, what, detail) do update set last_at = excluded.last_at, count = partner_problems.count + 1, sample = excluded.sample`.execute(
        db,
      );
  },
  problems(db: Db): Promise<
    {
      connector: string;
      what: string;
      detail: string;
      sample: unknown;
      firstAt: Date;
      lastAt: Date;
      count: number;
    }[]
  > {
    return rows(
      db,
      sql`select connector, what, detail, sample, first_at as "firstAt", last_at as "lastAt", count from partner_problems order by last_at desc limit 200`,
    );
  },
};
