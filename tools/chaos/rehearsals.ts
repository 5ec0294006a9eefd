import pg from 'pg';
import { devAccount } from '../../contracts/dev-accounts.ts';
import { DEV_POOLS } from '../stack/secrets.ts';
import type { ChaosWorld, Fault } from './fault.ts';

/**
 * What pages are for and no fault of the catalogue brings about, because the platform is built so that it does not
 * happen: done by hand in the databases and on the chain, only to see the alert fire. Nothing is judged but that.
 */
const rehearsal = (fault: Pick<Fault, 'id' | 'title' | 'holdMs' | 'strike' | 'clear'>): Fault => ({
  like: 'made by hand, to see the alert fire',
  tolerates: [1, 2, 3, 4, 5, 6, 7],
  recoverWithinMs: 5_000,
  rehearsal: true,
  ...fault,
});

const onBoth = async (
  world: ChaosWorld,
  act: (provider: ChaosWorld['providers']['alpha']) => Promise<unknown>,
) => void (await Promise.all(Object.values(world.providers).map(act)));

/** `reju` in ASCII: the class of the gateway's advisory locks (services/chain-gateway/store/advisory-lease.ts). */
const LOCK_CLASS = 0x72656a75;
let lockHolder: pg.Client | undefined;

/** Longer than a round of the reconcilers (a minute) with its start and the alert's own wait. */
const TWO_ROUNDS_MS = 135_000;
const PAUSE = '0x8456cb59';
const UNPAUSE = '0x3f4ba83a';

const tokenOf = ({ stack }: ChaosWorld): string => stack.manifest.contracts.RejuveToken?.address ?? '';
const asAdmin = (world: ChaosWorld, data: string): Promise<unknown> =>
  world.rpc('eth_sendTransaction', [
    // Above every fee that the lanes offer, so that it stands first in the block.
    {
      from: devAccount(0).address,
      to: tokenOf(world),
      data,
      gas: '0x30d40',
      maxFeePerGas: '0x2540be4000',
      maxPriorityFeePerGas: '0x174876e800',
    },
  ]);

export const REHEARSALS: readonly Fault[] = [
  rehearsal({
    id: 'rehearse-slow',
    title: 'everything is slow: providers, and Postgres in fits',
    holdMs: 0,
    async strike(world) {
      await onBoth(world, (provider) => provider.addFault({ id: 'slow', type: 'latency', ms: 1_200 }));
      for (let round = 0; round < 25; round++) {
        await world.control.child('postgres', 'pause').catch(() => undefined);
        await world.sleep(900);
        await world.control.child('postgres', 'resume').catch(() => undefined);
        await world.sleep(100);
      }
    },
    async clear(world) {
      await world.control.child('postgres', 'resume').catch(() => undefined);
      await onBoth(world, (provider) => provider.removeFault('slow').catch(() => undefined));
    },
  }),
  rehearsal({
    id: 'rehearse-errors',
    title: 'Postgres is away for longer, and all providers with it',
    holdMs: 20_000,
    async strike(world) {
      await onBoth(world, (provider) => provider.down());
      await world.control.child('postgres', 'stop');
    },
    async clear(world) {
      await world.control.child('postgres', 'start');
      await onBoth(world, (provider) => provider.up());
    },
  }),
  rehearsal({
    id: 'rehearse-index',
    title: 'somebody else holds the lock of the index',
    holdMs: 35_000,
    async strike(world) {
      lockHolder = new pg.Client({ connectionString: world.stack.url('database') });
      await world.control.child('gateway-indexer', 'kill');
      await lockHolder.connect();
      await lockHolder.query('select pg_advisory_lock($1, hashtext($2))', [
        LOCK_CLASS,
        `indexer:${world.stack.state.chainId}`,
      ]);
    },
    clear: async () => void (await lockHolder?.end()),
  }),
  rehearsal({
    id: 'rehearse-events',
    title: 'the ledger refuses every entry',
    holdMs: 30_000,
    // A constraint that no new row can meet, and that no old row is asked for.
    strike: async ({ sql }) =>
      void (await sql('alter table users.ledger_entries add constraint chaos check (false) not valid')),
    clear: async ({ sql }) =>
      void (await sql('alter table users.ledger_entries drop constraint if exists chaos')),
  }),
  rehearsal({
    id: 'rehearse-books',
    title: 'inbox rows vanish, and a balance changes without a transfer',
    holdMs: TWO_ROUNDS_MS,
    async strike(world) {
      await world.sql('create rule chaos as on insert to users.inbox do instead nothing');
      for (const { owner } of await world.sql('select address as owner from users.wallets limit 3'))
        await world.rpc('anvil_dealERC20', [owner, tokenOf(world), '0x3b9aca00']);
    },
    clear: async ({ sql }) => void (await sql('drop rule if exists chaos on users.inbox')),
  }),
  rehearsal({
    id: 'rehearse-reverts',
    title: 'the token is paused between the sending and the block',
    holdMs: 10_000,
    async strike(world) {
      for (let round = 0; round < 2; round++) {
        await world.rpc('evm_setIntervalMining', [0]);
        await world.burst(6);
        // Until they are simulated, signed and in the mempool.
        await world.sleep(4_000);
        await asAdmin(world, PAUSE);
        await world.rpc('evm_mine');
        await asAdmin(world, UNPAUSE);
        await world.rpc('evm_mine');
      }
      await world.rpc('evm_setIntervalMining', [2]);
    },
    clear: async (world) => void (await world.rpc('evm_setIntervalMining', [2])),
  }),
  rehearsal({
    id: 'rehearse-funds',
    title: 'the treasury has no coin for gas',
    holdMs: 160_000,
    strike: async ({ rpc }) => void (await rpc('anvil_setBalance', [DEV_POOLS.treasury.address, '0x0'])),
    clear: async ({ rpc }) =>
      void (await rpc('anvil_setBalance', [DEV_POOLS.treasury.address, '0x21e19e0c9bab2400000'])),
  }),
  rehearsal({
    id: 'rehearse-deep-reorg',
    title: 'the chain replaces blocks that were final',
    holdMs: TWO_ROUNDS_MS,
    strike: async ({ rpc }) => void (await rpc('anvil_reorg', [40, []])),
    clear: async () => undefined,
  }),
];
