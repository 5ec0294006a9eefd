import { id as keccakId, zeroPadValue } from 'ethers';
import { sameAddress } from '../../../lib/address.ts';
import { formatAmount } from '../../../lib/amount.ts';
import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Logger } from '../../../lib/log.ts';
import { isUniqueViolation } from '../../../lib/postgres.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { ChainReader } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { Gateway } from '../chain/gateway.ts';
import type { Token } from '../chain/schemas.ts';
import type { Db } from '../database.ts';
import { requirePerson } from '../governance/authorise.ts';
import type { WalletService } from '../wallets/service.ts';
import type { Offer, OfferStore, Redemption } from './store.ts';

/** Time to pay; long enough for a wallet app and a slow block. */
export const RESERVATION_MS = 15 * 60_000;

const TRANSFER_TOPIC = keccakId('Transfer(address,address,uint256)');

interface Receipt {
  readonly status: string;
  readonly blockNumber: string;
  readonly logs: readonly { address: string; topics: readonly string[]; data: string }[];
}

export type OfferService = ReturnType<typeof createOfferService>;

/** Partner offers: reserved, paid in RJV into the platform's treasury, then confirmed to the partner or refunded. */
export function createOfferService(deps: {
  store: OfferStore;
  db: Db;
  transaction: <T>(run: (trx: Db) => Promise<T>) => Promise<T>;
  gateway: Gateway;
  chain: Pick<ChainReader, 'call' | 'latest'>;
  contracts: Contracts;
  confirmations: number;
  wallets: WalletService;
  rejuveToken: () => Promise<Token>;
  treasuryPool: string;
  clock: Pick<Clock, 'now'>;
  random: Pick<Random, 'uuid'>;
  log: Logger;
}) {
  const { store, db, transaction, gateway, chain, contracts, confirmations, wallets, rejuveToken } = deps;
  const { treasuryPool, clock, random, log } = deps;

  const treasury = (): string => {
    const account = contracts.account(treasuryPool);
    if (!account)
      throw new AppError('dependency_unavailable', 'Offers cannot be paid for here: no treasury is known.');
    return account.address;
  };

  const viewOffer = async (offer: Offer) => ({
    id: offer.id,
    partner: offer.clientId,
    title: offer.title,
    description: offer.description,
    price: formatAmount(BigInt(offer.priceRaw), (await rejuveToken()).decimals),
    stock: offer.stock,
    endsAt: offer.endsAt?.toISOString() ?? null,
  });

  const view = async (redemption: Redemption) => {
    const token = await rejuveToken();
    const expired = redemption.state === 'reserved' && redemption.reservedUntil.getTime() <= clock.now();
    return {
      id: redemption.id,
      offerId: redemption.offerId,
      wallet: redemption.wallet,
      state: expired ? ('expired' as const) : redemption.state,
      price: formatAmount(BigInt(redemption.priceRaw), token.decimals),
      payment: {
        token: token.address,
        to: treasury(),
        from: redemption.wallet,
        reservedUntil: redemption.reservedUntil.toISOString(),
        transactionHash: redemption.paymentHash,
      },
      settlementId: redemption.settlementId,
      reason: redemption.reason,
      createdAt: redemption.createdAt.toISOString(),
      updatedAt: redemption.updatedAt.toISOString(),
    };
  };

  async function own(principal: Principal, id: string): Promise<Redemption> {
    const redemption = await store.find(db, id);
    if (!redemption) throw new AppError('not_found', 'There is no such redemption.');
    requirePerson(principal, redemption.personId, 'this redemption');
    return redemption;
  }

  /** Only the partner who made the offer decides about its redemptions. */
  async function ofPartner(principal: Principal, id: string): Promise<Redemption> {
    const redemption = await store.find(db, id);
    if (!redemption || redemption.clientId !== principal.id) {
      throw new AppError('not_found', 'There is no such redemption of an offer of yours.');
    }
    return redemption;
  }

  /** @throws AppError conflict (wait), invalid_argument (it will never do) */
  async function requirePayment(redemption: Redemption, hash: string): Promise<void> {
    const receipt = await chain.call<Receipt | null>('eth_getTransactionReceipt', [hash]);
    if (!receipt)
      throw new AppError('conflict', 'The payment is not in a block yet; ask again shortly.', {
        retryAfterSeconds: 2,
      });
    const head = await chain.latest(0);
    const depth = head.blockNumber - Number(receipt.blockNumber);
    if (depth < confirmations) {
      throw new AppError(
        'conflict',
        `The payment has ${depth} of ${confirmations} confirmations; ask again shortly.`,
        {
          retryAfterSeconds: 2,
        },
      );
    }
    const paid = receipt.logs.some(
      ({ address, topics, data }) =>
        sameAddress(address, contracts.addressOf('RejuveToken')) &&
        topics[0] === TRANSFER_TOPIC &&
        topics[1]?.toLowerCase() === zeroPadValue(redemption.wallet, 32).toLowerCase() &&
        topics[2]?.toLowerCase() === zeroPadValue(treasury(), 32).toLowerCase() &&
        BigInt(data) === BigInt(redemption.priceRaw),
    );
    if (receipt.status === '0x1' && paid) return;
    throw new AppError(
      'invalid_argument',
      'This transaction does not pay the price from the wallet to the treasury.',
      {
        errors: [
          { pointer: '/transactionHash', rule: 'payment', detail: 'an RJV transfer of exactly the price' },
        ],
      },
    );
  }

  /** Pays the partner, or the person back; the redemption's id is the key, so that it happens once. */
  async function settleOne(redemption: Redemption): Promise<void> {
    const refund = redemption.state === 'refunding';
    const { id } = await gateway.submit(
      {
        signer: treasuryPool,
        contract: 'RejuveToken',
        function: 'transfer',
        args: [refund ? redemption.wallet : redemption.payee, redemption.priceRaw],
        purpose: refund ? 'offer-refund' : 'offer-payment',
        // In the name of who is paid, so that they can follow it.
        requestedBy: refund ? `user:${redemption.personId}` : `client:${redemption.clientId}`,
      },
      `${refund ? 'refund' : 'settle'}:${redemption.id}`,
    );
    await store.setSettlement(redemption.id, id);
  }

  const settled = async (id: string): Promise<Redemption> => {
    const redemption = await store.find(db, id);
    if (!redemption) throw new AppError('not_found', 'There is no such redemption.');
    if (
      redemption.settlementId === null &&
      (redemption.state === 'confirmed' || redemption.state === 'refunding')
    ) {
      await settleOne(redemption).catch((err: unknown) =>
        log.warn({ err, redemption: id }, 'a settlement is tried again later'),
      );
      return (await store.find(db, id)) ?? redemption;
    }
    return redemption;
  };

  return {
    async publish(on: Db, clientId: string, input: Omit<Offer, 'id' | 'clientId'>) {
      const offer = { id: random.uuid(), clientId, ...input };
      await store.addOffer(on, offer);
      return viewOffer(offer);
    },
    list: async (before: string | undefined, limit: number) =>
      Promise.all((await store.listOffers(new Date(clock.now()), before, limit)).map(viewOffer)),

    /** Everything about a reservation that other services have to say. @throws AppError not_found, conflict, forbidden */
    async prepareReservation(principal: Principal, personId: string, offerId: string, wallet: string) {
      const offer = await store.findOffer(offerId);
      if (!offer) throw new AppError('not_found', 'There is no such offer.');
      if (offer.endsAt && offer.endsAt.getTime() <= clock.now())
        throw new AppError('conflict', 'The offer has ended.');
      const owner = await wallets.requireOwner(principal, wallet);
      if (owner !== personId) throw new AppError('forbidden', 'Pay with a linked wallet of the person.');
      await rejuveToken();
      return { personId, offerId, wallet, priceRaw: offer.priceRaw };
    },

    /** @param on the transaction of the request, so that the reservation and its answer commit together. */
    async reserve(
      on: Db,
      {
        personId,
        offerId,
        wallet,
        priceRaw,
      }: Pick<Redemption, 'personId' | 'offerId' | 'wallet' | 'priceRaw'>,
    ) {
      const id = random.uuid();
      await store.expire(on, new Date(clock.now()));
      const reserved = await store.reserve(on, {
        id,
        offerId,
        personId,
        wallet,
        priceRaw,
        until: new Date(clock.now() + RESERVATION_MS),
      });
      if (!reserved) throw new AppError('conflict', 'The offer is sold out.');
      return view((await store.find(on, id)) as Redemption);
    },

    get: async (principal: Principal, id: string) => view(await own(principal, id)),
    listOf: async (personId: string, before: string | undefined, limit: number) =>
      Promise.all((await store.listOf(personId, before, limit)).map(view)),

    /** Takes note of the payment. One that comes too late is sent back. */
    async pay(principal: Principal, id: string, hash: string) {
      const redemption = await own(principal, id);
      if (redemption.paymentHash === hash) return view(await settled(id));
      if (redemption.state !== 'reserved' && redemption.state !== 'expired') {
        throw new AppError('conflict', `The redemption is ${redemption.state}.`);
      }
      await requirePayment(redemption, hash);
      try {
        const late = redemption.state === 'expired' || redemption.reservedUntil.getTime() <= clock.now();
        const moved = await store.move(db, id, redemption.state, late ? 'refunding' : 'paid', {
          paymentHash: hash,
          ...(late ? { reason: 'paid after the reservation ended' } : {}),
        });
        if (!moved) throw new AppError('conflict', 'The redemption has changed; read it again.');
      } catch (error) {
        if (isUniqueViolation(error)) {
          throw new AppError('conflict', 'This payment was used for another redemption.', { cause: error });
        }
        throw error;
      }
      return view(await settled(id));
    },

    async confirm(principal: Principal, id: string) {
      const redemption = await ofPartner(principal, id);
      if (redemption.state !== 'confirmed' && !(await store.move(db, id, 'paid', 'confirmed'))) {
        throw new AppError(
          'conflict',
          `Only a paid redemption can be confirmed; this one is ${redemption.state}.`,
        );
      }
      return view(await settled(id));
    },
    async refuse(principal: Principal, id: string, reason: string) {
      const redemption = await ofPartner(principal, id);
      if (redemption.state === 'refunding' || redemption.state === 'refunded') return view(await settled(id));
      if (!(await store.move(db, id, 'paid', 'refunding', { reason }))) {
        throw new AppError(
          'conflict',
          `Only a paid redemption can be refused; this one is ${redemption.state}.`,
        );
      }
      return view(await settled(id));
    },

    /** Ends reservations, pays what is due and notes refunds that arrived; safe to run anywhere at any time. */
    async settle(): Promise<void> {
      await transaction((trx) => store.expire(trx, new Date(clock.now())));
      for (const redemption of await store.unsettled(20)) {
        await settleOne(redemption).catch((err: unknown) =>
          log.warn({ err, redemption: redemption.id }, 'a settlement is tried again later'),
        );
      }
      for (const { id, settlementId } of await store.refunding(20)) {
        const { state } = await gateway.transaction(settlementId as string);
        if (state === 'confirmed' || state === 'finalized') await store.move(db, id, 'refunding', 'refunded');
      }
    },
  };
}
