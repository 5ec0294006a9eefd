import { AppError } from '../../../lib/errors.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { EntryDraft } from '../ledger/rules.ts';
import type { Notice } from '../notifications/matching.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import { type AwardState, type Campaign, type Happening, judge, nextState, ruleSchema } from './rules.ts';
import type { AwardRow, CampaignRow, rewardStore } from './store.ts';

/** Points are whole; RJV has the decimals of the token. */
export const POINTS_ASSET = 'points:rejuve';
/** What campaigns owe in RJV before the chain has paid it. */
export const OWED_ASSET = 'owed:rjv';

export interface Rewards {
  /** Judges what happened and follows the stages of what was judged before, within the consumer's transaction. */
  applyNotices(trx: Db, notices: readonly Notice[]): Promise<void>;
  /** An award by one of our services. The key makes it happen once. @throws AppError `not_found`, `conflict` */
  award(input: {
    campaignId: string;
    personId: string;
    key: string;
    wallet: string | null;
  }): Promise<{ fresh: boolean }>;
}

const toCampaign = (row: CampaignRow): Campaign => ({
  id: row.id,
  rule: ruleSchema.parse(row.rule),
  startsAt: row.startsAt.getTime(),
  endsAt: row.endsAt?.getTime() ?? null,
  paused: row.paused,
  budget: BigInt(row.budget),
  committed: BigInt(row.committed),
});

const happeningOf = (notice: Notice): Happening => ({
  type: notice.type,
  at: notice.occurredAt.getTime(),
  ...(typeof notice.data.amount === 'string' ? { amount: BigInt(notice.data.amount) } : {}),
  ...(typeof notice.data.from === 'string' ? { from: notice.data.from } : {}),
  ...(typeof notice.data.to === 'string' ? { to: notice.data.to } : {}),
});

/** An award as a balanced entry: the campaign issues, the person receives points or a claim. */
export function awardEntry(
  award: Pick<AwardRow, 'id' | 'amount' | 'currency' | 'campaignId'>,
  owner: string,
  at: Date,
): EntryDraft {
  const amount = BigInt(award.amount);
  const assetId = award.currency === 'points' ? POINTS_ASSET : OWED_ASSET;
  return {
    eventKey: `award:${award.id}`,
    kind: 'reward',
    occurredAt: at,
    legs: [
      {
        account: { kind: award.currency === 'points' ? 'points' : 'payable', owner, reference: '', assetId },
        amount,
      },
      { account: { kind: 'issued', owner: null, reference: award.campaignId, assetId }, amount: -amount },
    ],
  };
}

export function createRewards(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof rewardStore;
  clock: Pick<Clock, 'now'>;
  random: Random;
  ledgerIds: (db: Db, personIds: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  post: (trx: Db, drafts: readonly EntryDraft[]) => Promise<unknown>;
  entryIdOf: (db: Db, eventKey: string) => Promise<number | undefined>;
  notify: (trx: Db, notices: readonly Notice[]) => Promise<unknown>;
  onAward: (campaign: string, state: AwardState) => void;
}): Rewards {
  const { postgres, store, clock, random, ledgerIds, post, entryIdOf, notify, onAward } = deps;

  const tell = (
    award: Pick<AwardRow, 'id' | 'amount' | 'currency' | 'campaignId' | 'personId'>,
    stage: 'finalized' | 'reverted',
    reason?: string,
  ): Notice => ({
    personId: award.personId,
    eventKey: `reward:${award.id}`,
    type: 'reward.posted',
    stage,
    occurredAt: new Date(clock.now()),
    data: {
      campaign: award.campaignId,
      amount: award.amount,
      symbol: award.currency === 'points' ? 'points' : 'RJV',
      decimals: award.currency === 'points' ? 0 : 6,
      ...(reason ? { reason } : {}),
    },
  });

  /** Carries an award to its next state, ledger and inbox with it. */
  const move = async (trx: Db, award: AwardRow, to: AwardState, reason: string | null): Promise<void> => {
    const now = new Date(clock.now());
    await store.setState(trx, award, to, reason, now);
    onAward(award.campaignId, to);
    const owner = (await ledgerIds(trx, [award.personId])).get(award.personId);
    if (owner === undefined) return;
    if (to === 'posted') {
      await post(trx, [awardEntry(award, owner, now)]);
      await notify(trx, [tell(award, 'finalized')]);
    }
    if (to === 'clawed-back') {
      const posted = await entryIdOf(trx, `award:${award.id}`);
      const entry = awardEntry(award, owner, now);
      if (posted !== undefined)
        await post(trx, [
          {
            ...entry,
            eventKey: `${entry.eventKey}:clawback`,
            kind: 'clawback',
            reason: reason ?? 'taken back',
            reverses: { entryId: posted },
            legs: entry.legs.map(({ account, amount }) => ({ account, amount: -amount })),
          },
        ]);
      await notify(trx, [tell(award, 'reverted', reason ?? undefined)]);
    }
  };

  const decide = async (
    trx: Db,
    campaign: Campaign,
    personId: string,
    happening: Happening,
    eventKey: string,
    wallet: string | null,
  ) => {
    const standing = await store.standing(trx, campaign.id, personId);
    const verdict = judge(campaign, happening, {
      ...standing,
      accountCreatedAt: standing.accountCreatedAt.getTime(),
    });
    if (!verdict.eligible) return verdict.reason;
    const award = {
      id: random.uuid(),
      campaignId: campaign.id,
      personId,
      eventKey,
      amount: verdict.amount,
      wallet,
    };
    if (!(await store.insertAward(trx, award, new Date(happening.at)))) return 'awarded before';
    onAward(campaign.id, 'pending');
    return undefined;
  };

  return {
    async applyNotices(trx, notices) {
      const campaigns = (await store.campaigns(trx)).filter((row) =>
        notices.some((n) => ruleSchema.safeParse(row.rule).data?.on === n.type),
      );
      if (campaigns.length > 0) {
        const locked = await store.lockCampaigns(
          trx,
          campaigns.map((c) => c.id),
        );
        const committed = new Map(locked.map((row) => [row.id, BigInt(row.committed)]));
        for (const notice of notices) {
          if (notice.stage === 'reverted') continue;
          for (const row of locked) {
            const campaign = { ...toCampaign(row), committed: committed.get(row.id) as bigint };
            if (campaign.rule.on !== notice.type) continue;
            const wallet = typeof notice.data.wallet === 'string' ? notice.data.wallet : null;
            const refused = await decide(
              trx,
              campaign,
              notice.personId,
              happeningOf(notice),
              notice.eventKey,
              wallet,
            );
            if (refused === undefined)
              committed.set(row.id, campaign.committed + BigInt(campaign.rule.amount));
          }
        }
      }
      const keys = [...new Set(notices.map((n) => n.eventKey))];
      const awards = keys.length === 0 ? [] : await store.awardsOfEvents(trx, keys);
      if (awards.length === 0) return;
      // A batch may hold several stages of one event: they are followed in order.
      const current = new Map(awards.map((a) => [a.id, a]));
      for (const notice of notices) {
        for (const award of [...current.values()].filter(
          (a) => a.eventKey === notice.eventKey && a.personId === notice.personId,
        )) {
          const to = nextState(award.state, notice.stage);
          if (to === undefined) continue;
          await move(
            trx,
            award,
            to,
            notice.stage === 'reverted' ? 'The chain took back what had earned it.' : null,
          );
          current.set(award.id, { ...award, state: to });
        }
      }
    },

    award: ({ campaignId, personId, key, wallet }) =>
      postgres.transaction(async (trx) => {
        const [row] = await store.lockCampaigns(trx, [campaignId]);
        if (!row) throw new AppError('not_found', 'There is no such campaign.');
        const campaign = toCampaign(row);
        const eventKey = `manual:${key}`;
        const happening = { type: campaign.rule.on, at: clock.now() };
        const refused = await decide(trx, campaign, personId, happening, eventKey, wallet);
        if (refused === 'awarded before') return { fresh: false };
        const known = (await store.awardsOfEvents(trx, [eventKey])).find(
          (a) => a.personId === personId && a.campaignId === campaignId,
        );
        if (refused !== undefined) {
          if (known) return { fresh: false };
          throw new AppError('conflict', `No award: ${refused}.`);
        }
        if (known) await move(trx, known, 'posted', null);
        return { fresh: true };
      }),
  };
}
