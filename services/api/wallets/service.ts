import type { Principal } from '../../../lib/http/route.ts';
import type { CacheAside } from '../data/cache-aside.ts';
import { requirePerson } from '../governance/authorise.ts';
import type { LinkedWallet, People } from './people.ts';

/** Bounds how long an unlinking done elsewhere goes unseen; one done here is seen at once. */
const OWNER_TTL_MS = 5_000;

export type WalletService = ReturnType<typeof createWalletService>;

/** Linked wallets: kept by the user service, offered here, and asked whenever a wallet's owner matters. */
export function createWalletService(deps: { people: People; cache: CacheAside }) {
  const { people, cache } = deps;
  const tagOf = (address: string): string => `owner:${address}`;

  async function ownerOf(address: string): Promise<string | undefined> {
    const { personId } = await cache.get(
      { key: `owner:${address}`, ttlMs: OWNER_TTL_MS, tags: [tagOf(address)] },
      async () => ({ personId: (await people.ownerOf(address)) ?? null }),
    );
    return personId ?? undefined;
  }

  return {
    challenge: people.challenge,
    /** Linked wallets and watched ones. */
    overview: people.list,
    /** Only wallets that were proved: what a person may act for. */
    list: async (personId: string): Promise<LinkedWallet[]> =>
      (await people.list(personId)).filter((wallet) => wallet.proof === 'signature'),
    watch: people.watch,
    update: people.update,
    ownerOf,

    async link(
      personId: string,
      proof: { message: string; signature: string; label?: string | undefined },
      idempotencyKey: string,
    ): Promise<LinkedWallet> {
      const wallet = await people.link(personId, proof, idempotencyKey);
      await cache.invalidate([tagOf(wallet.address)]);
      return wallet;
    },

    async unlink(personId: string, address: string): Promise<void> {
      await people.unlink(personId, address);
      await cache.invalidate([tagOf(address)]);
    },

    /**
     * The private things of a wallet: only for the person who proved that it is hers.
     * @returns the person, or undefined when a client that acts for anyone asks about an unlinked wallet.
     * @throws AppError forbidden
     */
    async requireOwner(principal: Principal, address: string): Promise<string | undefined> {
      const owner = await ownerOf(address);
      requirePerson(principal, owner, 'this wallet');
      return owner;
    },
  };
}
