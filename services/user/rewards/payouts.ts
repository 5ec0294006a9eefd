import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { ServiceClient } from '../../../lib/service-client.ts';
import type { Clock } from '../../../lib/time.ts';
import type { EntryDraft } from '../ledger/rules.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import { OWED_ASSET } from './service.ts';
import type { AwardRow, PayoutRow, rewardStore } from './store.ts';

const transactionSchema = z.looseObject({
  id: z.string(),
  state: z.string(),
  error: z.looseObject({ message: z.string() }).nullable().optional(),
});

/** Wallets per pass. */
const BATCH = 100;
const PAID = new Set(['confirmed', 'finalized']);
const LOST = new Set(['rejected', 'failed', 'cancelled']);

/**
 * Pays what campaigns owe in RJV: all awards of a wallet in one transaction of the gateway. The payout is saved before it is
 * asked for and its id is the Idempotency-Key, so that a crash at any point pays once.
 */
export function createPayouts(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof rewardStore;
  gateway: Pick<ServiceClient, 'request'>;
  chainId: number;
  signer: string;
  clock: Pick<Clock, 'now'>;
  random: Random;
  log: Logger;
  ledgerIds: (db: Db, personIds: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  post: (trx: Db, drafts: readonly EntryDraft[]) => Promise<unknown>;
}): { pass(): Promise<boolean> } {
  const { postgres, store, gateway, clock, random, log } = deps;
  const now = (): Date => new Date(clock.now());

  const request = async (payout: PayoutRow): Promise<void> => {
    const answer = await gateway.request({
      method: 'POST',
      path: '/v1/transactions',
      idempotencyKey: payout.id,
      body: {
        chainId: deps.chainId,
        signer: deps.signer,
        contract: 'RejuveToken',
        function: 'transfer',
        args: [payout.wallet, payout.amount],
        purpose: 'reward',
        requestedBy: `payout:${payout.id}`,
      },
      schema: transactionSchema,
    });
    await store.movePayout(
      postgres.db,
      payout.id,
      'prepared',
      'requested',
      { transactionId: answer.id },
      now(),
    );
  };

  const settleEntry = (award: AwardRow, owner: string): EntryDraft => {
    const amount = BigInt(award.amount);
    return {
      eventKey: `paid:${award.id}`,
      kind: 'reward.paid',
      occurredAt: now(),
      legs: [
        { account: { kind: 'payable', owner, reference: '', assetId: OWED_ASSET }, amount: -amount },
        { account: { kind: 'issued', owner: null, reference: 'paid', assetId: OWED_ASSET }, amount },
      ],
    };
  };

  const follow = async (payout: PayoutRow): Promise<void> => {
    const answer = await gateway.request({
      method: 'GET',
      path: `/v1/transactions/${payout.transactionId}`,
      schema: transactionSchema,
    });
    if (PAID.has(answer.state)) {
      await postgres.transaction(async (trx) => {
        if ((await store.movePayout(trx, payout.id, 'requested', 'confirmed', {}, now())) === 0) return;
        const awards = await store.awardsOfPayout(trx, payout.id);
        const owners = await deps.ledgerIds(trx, [...new Set(awards.map((a) => a.personId))]);
        await deps.post(
          trx,
          awards.flatMap((award) => {
            const owner = owners.get(award.personId);
            return owner === undefined ? [] : [settleEntry(award, owner)];
          }),
        );
      });
      return;
    }
    if (LOST.has(answer.state)) {
      log.error(
        { payout: payout.id, state: answer.state, reason: answer.error?.message },
        'a reward could not be paid; it will be tried again',
      );
      await postgres.transaction(async (trx) => {
        if (
          (await store.movePayout(
            trx,
            payout.id,
            'requested',
            'failed',
            { error: answer.error?.message ?? answer.state },
            now(),
          )) > 0
        )
          await store.releaseAwards(trx, payout.id);
      });
      return;
    }
    await store.touchPayout(postgres.db, payout.id, now());
  };

  return {
    async pass() {
      const ids = Array.from({ length: BATCH }, () => random.uuid());
      await postgres.transaction(async (trx) => {
        // One replica prepares at a time: two could otherwise take the same awards.
        await store.lockPayouts(trx);
        await store.preparePayouts(trx, ids, now());
      });
      for (const payout of await store.openPayouts(postgres.db, BATCH)) {
        try {
          await (payout.state === 'prepared' ? request(payout) : follow(payout));
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          log.warn({ err: error, payout: payout.id }, 'a payout could not be moved; trying again');
          await store.touchPayout(postgres.db, payout.id, now());
        }
      }
      return false;
    },
  };
}
