import { formatAmount } from '../../../lib/amount.ts';
import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { ChainReader } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { Token } from '../chain/schemas.ts';
import type { Db } from '../database.ts';
import type { LinkedWallet } from '../wallets/people.ts';
import type { WalletService } from '../wallets/service.ts';
import { decideEligibility } from './eligibility.ts';
import type { Claim, Opportunity, RewardStore } from './store.ts';

/** More than this does not matter: targets are small. */
const MAX_COUNTED = 100;

export type RewardService = ReturnType<typeof createRewardService>;

/** Earning opportunities: what a person can earn RJV for, how far she is, and the claim. */
export function createRewardService(deps: {
  store: RewardStore;
  transaction: <T>(run: (trx: Db) => Promise<T>) => Promise<T>;
  gateway: Gateway;
  chain: Pick<ChainReader, 'read'>;
  contracts: Contracts;
  wallets: WalletService;
  rejuveToken: () => Promise<Token>;
  treasuryPool: string;
  clock: Pick<Clock, 'now'>;
  random: Pick<Random, 'uuid'>;
  log: Logger;
}) {
  const {
    store,
    transaction,
    gateway,
    chain,
    contracts,
    wallets,
    rejuveToken,
    treasuryPool,
    clock,
    random,
    log,
  } = deps;

  /** What the chain says about a person's wallets; each kind is asked once, whatever the number of opportunities. */
  function facts(linked: readonly LinkedWallet[]) {
    const once = <T>(load: () => Promise<T>) => {
      let value: Promise<T> | undefined;
      return () => (value ??= load());
    };
    const identities = once(async () => {
      const { results } = await chain.read(
        linked.map(({ address }) => contracts.call('IdentityToken', 'getOwnerIdentity', [address])),
      );
      return results.flatMap((r) =>
        r.ok && BigInt(r.values[0] as bigint) > 0n ? [String(r.values[0])] : [],
      );
    });
    const sum = async (count: (wallet: LinkedWallet) => Promise<number>) =>
      (await Promise.all(linked.map(count))).reduce((total, n) => total + n, 0);
    return {
      identity: async () => (await identities()).length,
      'data-submissions': once(() =>
        sum(
          async ({ address }) =>
            (await gateway.dataSubmissions({ owner: address, limit: MAX_COUNTED })).data.length,
        ),
      ),
      'permission-grants': once(() =>
        sum(
          async ({ address }) =>
            (await gateway.permissions({ owner: address, limit: MAX_COUNTED })).data.length,
        ),
      ),
      'linked-wallets': async () => linked.length,
    };
  }

  async function standing(personId: string, opportunities: readonly Opportunity[]) {
    const ids = opportunities.map((o) => o.id);
    const [linked, manual, claims] = await Promise.all([
      wallets.list(personId),
      store.progressOf(personId, ids),
      store.claimsOf(personId, ids),
    ]);
    const known = facts(linked);
    return Promise.all(
      opportunities.map(async (o) => {
        const progress = o.criterion === 'manual' ? (manual.get(o.id) ?? 0) : await known[o.criterion]();
        const claim = claims.get(o.id);
        const verdict = decideEligibility({
          now: clock.now(),
          startsAt: o.startsAt.getTime(),
          endsAt: o.endsAt?.getTime() ?? null,
          target: o.target,
          progress,
          maxClaims: o.maxClaims,
          claims: Number(o.claims),
          claimedByPerson: claim !== undefined,
          linkedWallets: linked.length,
        });
        return { progress: Math.min(progress, o.target), ...verdict, claim };
      }),
    );
  }

  const view = async (o: Opportunity) => {
    const { decimals } = await rejuveToken();
    return {
      id: o.id,
      title: o.title,
      description: o.description,
      criterion: o.criterion,
      target: o.target,
      reward: formatAmount(BigInt(o.rewardRaw), decimals),
      remaining: o.maxClaims === null ? null : Math.max(0, o.maxClaims - Number(o.claims)),
      startsAt: o.startsAt.toISOString(),
      endsAt: o.endsAt?.toISOString() ?? null,
    };
  };

  const viewClaim = async (claim: Claim) => ({
    id: claim.id,
    opportunityId: claim.opportunityId,
    wallet: claim.wallet,
    reward: formatAmount(BigInt(claim.rewardRaw), (await rejuveToken()).decimals),
    transactionId: claim.transactionId,
    claimedAt: claim.claimedAt.toISOString(),
  });

  const require = async (id: string): Promise<Opportunity> => {
    const opportunity = await store.find(id);
    if (!opportunity) throw new AppError('not_found', 'There is no such earning opportunity.');
    return opportunity;
  };

  /** The claim's id is the key of its payment, so that it is paid once, however often this runs. */
  async function pay(claim: Claim): Promise<string> {
    const { id } = await gateway.submit(
      {
        signer: treasuryPool,
        contract: 'RejuveToken',
        function: 'transfer',
        args: [claim.wallet, claim.rewardRaw],
        purpose: 'reward',
        // In her name, so that she can follow it.
        requestedBy: `user:${claim.personId}`,
      },
      `reward:${claim.id}`,
    );
    await store.setTransaction(claim.id, id);
    return id;
  }

  return {
    async publish(on: Db, input: Omit<Opportunity, 'id' | 'claims'>) {
      return view(await store.add(on, { id: random.uuid(), ...input }));
    },
    async list(personId: string | undefined, before: string | undefined, limit: number) {
      const rows = await store.list(new Date(clock.now()), before, limit);
      const standings = personId === undefined ? [] : await standing(personId, rows);
      return Promise.all(
        rows.map(async (row, index) => {
          const mine = standings[index];
          return {
            ...(await view(row)),
            standing: mine
              ? {
                  eligible: mine.eligible,
                  progress: mine.progress,
                  why: mine.why,
                  claim: mine.claim ? await viewClaim(mine.claim) : null,
                }
              : null,
          };
        }),
      );
    },
    async recordProgress(on: Db, id: string, personId: string, amount: number): Promise<number> {
      const opportunity = await require(id);
      if (opportunity.criterion !== 'manual') {
        throw new AppError('conflict', 'Progress of this opportunity is read from where it happens.');
      }
      return store.addProgress(on, id, personId, amount);
    },

    /** Takes the reward, then pays it. A crash in between is made good by {@link settle}. */
    async claim(principal: Principal, personId: string, id: string, wallet: string) {
      const opportunity = await require(id);
      const owner = await wallets.requireOwner(principal, wallet);
      if (owner !== personId)
        throw new AppError('forbidden', 'Rewards are paid to a linked wallet of the person only.');
      const [mine] = await standing(personId, [opportunity]);
      if (mine?.claim) return viewClaim(mine.claim);
      const missing = mine?.why.filter((term) => !term.holds) ?? [];
      if (missing.length > 0) {
        throw new AppError('conflict', `Not yet: ${missing.map((term) => term.why).join('; ')}.`, {
          extra: { why: missing },
        });
      }
      const claimId = random.uuid();
      const outcome = await transaction((trx) =>
        store.claim(trx, {
          id: claimId,
          opportunityId: id,
          personId,
          wallet,
          rewardRaw: opportunity.rewardRaw,
        }),
      );
      if (outcome === 'gone') throw new AppError('conflict', 'All rewards are claimed.');
      const claim = (await store.claimsOf(personId, [id])).get(id);
      if (!claim) throw new Error(`the claim of ${id} was stored and is not there`);
      const transactionId = claim.transactionId ?? (await pay(claim));
      return viewClaim({ ...claim, transactionId });
    },

    /** Pays claims that were stored and not handed on; safe to run anywhere at any time. */
    async settle(): Promise<void> {
      for (const claim of await store.unpaid(20)) {
        await pay(claim).catch((err: unknown) =>
          log.warn({ err, claim: claim.id }, 'a reward could not be paid yet'),
        );
      }
    },
  };
}
