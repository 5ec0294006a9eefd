import { sql } from 'kysely';
import { affected, type Db, first, rows } from '../shared/database.ts';
import type { AwardState } from './rules.ts';

export interface CampaignRow {
  readonly id: string;
  readonly title: string;
  readonly currency: 'points' | 'rjv';
  readonly rule: unknown;
  readonly budget: string;
  readonly committed: string;
  readonly startsAt: Date;
  readonly endsAt: Date | null;
  readonly paused: boolean;
}

export interface AwardRow {
  readonly id: string;
  readonly campaignId: string;
  readonly currency: 'points' | 'rjv';
  readonly personId: string;
  readonly eventKey: string;
  readonly amount: string;
  readonly state: AwardState;
  readonly wallet: string | null;
  readonly payoutId: string | null;
  readonly createdAt: Date;
  readonly settledAt: Date | null;
}

export interface PayoutRow {
  readonly id: string;
  readonly wallet: string;
  readonly amount: string;
  readonly state: 'prepared' | 'requested' | 'confirmed' | 'failed';
  readonly transactionId: string | null;
}

const campaignColumns = sql.raw(
  `id, title, currency, rule, budget, committed, starts_at as "startsAt", ends_at as "endsAt", paused`,
);
const awardColumns =
  sql.raw(`w.id, w.campaign_id as "campaignId", c.currency, w.person_id as "personId", w.event_key as "eventKey", w.amount,
  w.state, w.wallet, w.payout_id as "payoutId", w.created_at as "createdAt", w.settled_at as "settledAt"`);

export const rewardStore = {
  campaigns(db: Db): Promise<CampaignRow[]> {
    return rows(db, sql<CampaignRow>`select ${campaignColumns} from reward_campaigns order by id`);
  },
  /** The campaigns' rows, locked in the order of their names: awards of one campaign are decided one after the other. */
  lockCampaigns(db: Db, ids: readonly string[]): Promise<CampaignRow[]> {
    return rows(
      db,
      sql<CampaignRow>`select ${campaignColumns} from reward_campaigns where id = any(${ids}::text[]) order by id for update`,
    );
  },
  async putCampaign(db: Db, c: Omit<CampaignRow, 'committed'>, now: Date): Promise<void> {
    await sql`insert into reward_campaigns (id, title, currency, rule, budget, starts_at, ends_at, paused, created_at)
      values (${c.id}, ${c.title}, ${c.currency}, ${JSON.stringify(c.rule)}::jsonb, ${c.budget}, ${c.startsAt}, ${c.endsAt}, ${c.paused}, ${now})
      on conflict (id) do update set title = excluded.title, rule = excluded.rule, budget = excluded.budget,
        starts_at = excluded.starts_at, ends_at = excluded.ends_at, paused = excluded.paused`.execute(db);
  },
  async standing(
    db: Db,
    campaignId: string,
    personId: string,
  ): Promise<{ awards: number; times: number[]; accountCreatedAt: Date }> {
    const row = await first(
      db,
      sql<{ awards: number; times: (Date | null)[]; created: Date }>`select count(w.id) as awards,
          array_agg(w.created_at order by w.created_at desc) as times, (select created_at from people where id = ${personId}) as created
        from reward_awards w where w.campaign_id = ${campaignId} and w.person_id = ${personId} and w.state in ('pending', 'posted')`,
    );
    return {
      awards: row?.awards ?? 0,
      times: (row?.times ?? []).flatMap((t) => (t === null ? [] : [t.getTime()])),
      accountCreatedAt: row?.created ?? new Date(0),
    };
  },
  /** @returns false when the award exists. */
  async insertAward(
    db: Db,
    a: {
      id: string;
      campaignId: string;
      personId: string;
      eventKey: string;
      amount: bigint;
      wallet: string | null;
    },
    now: Date,
  ): Promise<boolean> {
    const inserted = await affected(
      db,
      sql`insert into reward_awards (id, campaign_id, person_id, event_key, amount, state, wallet, created_at)
        values (${a.id}, ${a.campaignId}, ${a.personId}, ${a.eventKey}, ${a.amount.toString()}, 'pending', ${a.wallet}, ${now})
        on conflict do nothing`,
    );
    if (inserted > 0)
      await sql`update reward_campaigns set committed = committed + ${a.amount.toString()}::numeric where id = ${a.campaignId}`.execute(
        db,
      );
    return inserted > 0;
  },
  awardsOfEvents(db: Db, keys: readonly string[]): Promise<AwardRow[]> {
    return rows(
      db,
      sql<AwardRow>`select ${awardColumns} from reward_awards w join reward_campaigns c on c.id = w.campaign_id
        where w.event_key = any(${keys}::text[]) order by w.id for update of w`,
    );
  },
  async setState(
    db: Db,
    award: Pick<AwardRow, 'id' | 'campaignId' | 'amount'>,
    state: AwardState,
    reason: string | null,
    now: Date,
  ): Promise<void> {
    await sql`update reward_awards set state = ${state}, reason = ${reason}, settled_at = ${now} where id = ${award.id}`.execute(
      db,
    );
    // What is taken back can be promised to somebody else.
    if (state === 'voided' || state === 'clawed-back')
      await sql`update reward_campaigns set committed = committed - ${award.amount}::numeric where id = ${award.campaignId}`.execute(
        db,
      );
  },
  ofPerson(
    db: Db,
    personId: string,
    limit: number,
  ): Promise<(AwardRow & { title: string; reason: string | null })[]> {
    return rows(
      db,
      sql<
        AwardRow & { title: string; reason: string | null }
      >`select ${awardColumns}, c.title, w.reason from reward_awards w
        join reward_campaigns c on c.id = w.campaign_id where w.person_id = ${personId} order by w.created_at desc, w.id limit ${limit}`,
    );
  },
  /** Puts everything that wallets are owed into payouts, at most `limit` wallets. @returns how many payouts were made. */
  preparePayouts(db: Db, ids: readonly string[], now: Date): Promise<number> {
    return affected(
      db,
      sql`with owed as (
          select w.wallet, sum(w.amount) as amount, row_number() over (order by w.wallet) as n
          from reward_awards w join reward_campaigns c on c.id = w.campaign_id
          where w.state = 'posted' and w.payout_id is null and w.wallet is not null and c.currency = 'rjv'
          group by w.wallet limit ${ids.length}),
        made as (
          insert into reward_payouts (id, wallet, amount, state, created_at, updated_at)
          select (${ids}::uuid[])[n], wallet, amount, 'prepared', ${now}, ${now} from owed returning id, wallet)
        update reward_awards w set payout_id = made.id from made, reward_campaigns c
        where w.wallet = made.wallet and w.state = 'posted' and w.payout_id is null and c.id = w.campaign_id and c.currency = 'rjv'`,
    );
  },
  async lockPayouts(db: Db): Promise<void> {
    await sql`lock table reward_payouts in share row exclusive mode`.execute(db);
  },
  openPayouts(db: Db, limit: number): Promise<PayoutRow[]> {
    return rows(
      db,
      sql<PayoutRow>`select id, wallet, amount, state, transaction_id as "transactionId" from reward_payouts
        where state in ('prepared', 'requested') order by updated_at limit ${limit}`,
    );
  },
  movePayout(
    db: Db,
    id: string,
    from: PayoutRow['state'],
    to: PayoutRow['state'],
    more: { transactionId?: string; error?: string },
    now: Date,
  ): Promise<number> {
    return affected(
      db,
      sql`update reward_payouts set state = ${to}, transaction_id = coalesce(${more.transactionId ?? null}, transaction_id),
          error = ${more.error ?? null}, updated_at = ${now} where id = ${id} and state = ${from}`,
    );
  },
  async touchPayout(db: Db, id: string, now: Date): Promise<void> {
    await sql`update reward_payouts set updated_at = ${now} where id = ${id}`.execute(db);
  },
  awardsOfPayout(db: Db, id: string): Promise<AwardRow[]> {
    return rows(
      db,
      sql<AwardRow>`select ${awardColumns} from reward_awards w join reward_campaigns c on c.id = w.campaign_id where w.payout_id = ${id} order by w.id`,
    );
  },
  async releaseAwards(db: Db, payoutId: string): Promise<void> {
    await sql`update reward_awards set payout_id = null where payout_id = ${payoutId} and state = 'posted'`.execute(
      db,
    );
  },
};
