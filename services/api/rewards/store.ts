import { sql } from 'kysely';
import type { Db } from '../database.ts';
import type { Criterion } from './tables.ts';

export interface Opportunity {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly criterion: Criterion;
  readonly target: number;
  readonly rewardRaw: string;
  readonly maxClaims: number | null;
  readonly startsAt: Date;
  readonly endsAt: Date | null;
  readonly claims: number;
}

export interface Claim {
  readonly id: string;
  readonly opportunityId: string;
  readonly personId: string;
  readonly wallet: string;
  readonly rewardRaw: string;
  readonly transactionId: string | null;
  readonly claimedAt: Date;
}

export type RewardStore = ReturnType<typeof createRewardStore>;

/** SQL of earning opportunities and their claims. */
export function createRewardStore(db: Db) {
  const select = (on: Db) =>
    on
      .selectFrom('opportunities as o')
      .select([
        'o.id',
        'o.title',
        'o.description',
        'o.criterion',
        'o.target',
        'o.reward_raw as rewardRaw',
        'o.max_claims as maxClaims',
        'o.starts_at as startsAt',
        'o.ends_at as endsAt',
        sql<number>`(select count(*) from opportunity_claims c where c.opportunity_id = o.id)`.as('claims'),
      ]);
  const CLAIM = [
    'id',
    'opportunity_id as opportunityId',
    'person_id as personId',
    'wallet',
    'reward_raw as rewardRaw',
    'transaction_id as transactionId',
    'claimed_at as claimedAt',
  ] as const;

  return {
    async add(on: Db, opportunity: Omit<Opportunity, 'claims'>): Promise<Opportunity> {
      await on
        .insertInto('opportunities')
        .values({
          id: opportunity.id,
          title: opportunity.title,
          description: opportunity.description,
          criterion: opportunity.criterion,
          target: opportunity.target,
          reward_raw: opportunity.rewardRaw,
          max_claims: opportunity.maxClaims,
          starts_at: opportunity.startsAt,
          ends_at: opportunity.endsAt,
        })
        .execute();
      return { ...opportunity, claims: 0 };
    },
    find: (id: string): Promise<Opportunity | undefined> =>
      select(db).where('o.id', '=', id).executeTakeFirst(),
    /** Those that have not ended, newest first; ids sort by time. */
    async list(now: Date, before: string | undefined, limit: number): Promise<Opportunity[]> {
      let query = select(db)
        .where((where) => where.or([where('o.ends_at', 'is', null), where('o.ends_at', '>', now)]))
        .orderBy('o.id', 'desc')
        .limit(limit);
      if (before !== undefined) query = query.where('o.id', '<', before);
      return query.execute();
    },
    async addProgress(on: Db, opportunityId: string, personId: string, amount: number): Promise<number> {
      const row = await on
        .insertInto('opportunity_progress')
        .values({ opportunity_id: opportunityId, person_id: personId, amount })
        .onConflict((conflict) =>
          conflict
            .columns(['opportunity_id', 'person_id'])
            .doUpdateSet({ amount: sql`opportunity_progress.amount + excluded.amount` }),
        )
        .returning('amount')
        .executeTakeFirstOrThrow();
      return row.amount;
    },
    /** Manual progress of one person on many opportunities, in one query. */
    async progressOf(personId: string, opportunityIds: readonly string[]): Promise<Map<string, number>> {
      if (opportunityIds.length === 0) return new Map();
      const rows = await db
        .selectFrom('opportunity_progress')
        .select(['opportunity_id', 'amount'])
        .where('person_id', '=', personId)
        .where('opportunity_id', 'in', [...opportunityIds])
        .execute();
      return new Map(rows.map((row) => [row.opportunity_id, row.amount]));
    },
    async claimsOf(personId: string, opportunityIds: readonly string[]): Promise<Map<string, Claim>> {
      if (opportunityIds.length === 0) return new Map();
      const rows = await db
        .selectFrom('opportunity_claims')
        .select(CLAIM)
        .where('person_id', '=', personId)
        .where('opportunity_id', 'in', [...opportunityIds])
        .execute();
      return new Map(rows.map((row) => [row.opportunityId, row]));
    },
    /** Takes one of the rewards, unless all are taken; the opportunity is locked so that two cannot take the last. */
    async claim(
      on: Db,
      claim: { id: string; opportunityId: string; personId: string; wallet: string; rewardRaw: string },
    ): Promise<'claimed' | 'taken' | 'gone'> {
      const opportunity = await on
        .selectFrom('opportunities')
        .select('max_claims')
        .where('id', '=', claim.opportunityId)
        .forUpdate()
        .executeTakeFirstOrThrow();
      const { count } = await on
        .selectFrom('opportunity_claims')
        .select(sql<number>`count(*)`.as('count'))
        .where('opportunity_id', '=', claim.opportunityId)
        .executeTakeFirstOrThrow();
      if (opportunity.max_claims !== null && Number(count) >= opportunity.max_claims) return 'gone';
      const result = await on
        .insertInto('opportunity_claims')
        .values({
          id: claim.id,
          opportunity_id: claim.opportunityId,
          person_id: claim.personId,
          wallet: claim.wallet,
          reward_raw: claim.rewardRaw,
          transaction_id: null,
        })
        .onConflict((conflict) => conflict.columns(['opportunity_id', 'person_id']).doNothing())
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 0n ? 'taken' : 'claimed';
    },
    async setTransaction(claimId: string, transactionId: string): Promise<void> {
      await db
        .updateTable('opportunity_claims')
        .set({ transaction_id: transactionId })
        .where('id', '=', claimId)
        .execute();
    },
    /** Claims whose payment was never handed to the gateway: the process died in between. */
    async unpaid(limit: number): Promise<Claim[]> {
      return db
        .selectFrom('opportunity_claims')
        .select(CLAIM)
        .where('transaction_id', 'is', null)
        .orderBy('claimed_at')
        .limit(limit)
        .execute();
    },
  };
}
