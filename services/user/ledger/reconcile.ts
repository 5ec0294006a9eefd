import { sql } from 'kysely';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Gateway } from '../gateway/client.ts';
import { type Db, rows, type UserPostgres } from '../shared/database.ts';

/** One balance that is not what the chain says. */
export interface Drift {
  readonly walletId: string;
  readonly address: string;
  readonly assetId: string;
  readonly ledger: bigint;
  readonly chain: bigint;
  readonly blockNumber: number;
}

export interface Reconciliation {
  /** Undefined when the ledger has not reached the block yet: nothing was compared. */
  readonly blockNumber: number | undefined;
  readonly compared: number;
  readonly drifts: readonly Drift[];
}

/** `balanceOf(address)` of ERC-20. */
const BALANCE_OF = '0x70a08231';
/** Calls to the chain at once. */
const PARALLEL = 8;

interface Holding {
  readonly walletId: string;
  readonly address: string;
  readonly chainId: number;
  readonly assetId: string;
  readonly balance: string;
}

/**
 * Compares what the ledger says a wallet holds with `balanceOf` at one pinned block. Entries of later blocks are taken out
 * of the ledger's side, and nothing is compared before every event up to that block was applied, so that a difference is a
 * fault and never a matter of timing.
 */
export function createReconciler(deps: {
  postgres: Pick<UserPostgres, 'db'>;
  gateway: Pick<Gateway, 'rpc' | 'events' | 'balances'>;
  readCursor: (db: Db) => Promise<{ seq: number }>;
  clock: Pick<Clock, 'now'>;
  log: Logger;
  chainId: number;
  onDrift: (count: number) => void;
}): { pass(options: { limit: number; personId?: string }): Promise<Reconciliation> } {
  const { postgres, gateway, readCursor, clock, log, chainId, onDrift } = deps;

  /** The newest block up to which the ledger is complete; undefined while it is behind. */
  const pinnedBlock = async (probe: string): Promise<number | undefined> => {
    const head = Number(await gateway.rpc(chainId, 'eth_blockNumber', []));
    const { asOfBlock } = await gateway.balances({ chainId, address: probe });
    const block = Math.min(head, asOfBlock);
    const { seq } = await readCursor(postgres.db);
    const [next] = (await gateway.events({ after: seq, limit: 1, waitSeconds: 0 })).events;
    return next === undefined || next.blockNumber > block ? block : undefined;
  };

  const holdings = (wallets: readonly string[], block: number): Promise<Holding[]> =>
    rows(
      postgres.db,
      sql<Holding>`select w.id as "walletId", w.address, w.chain_id as "chainId", a.asset_id as "assetId",
          b.balance - coalesce((select sum(p.amount) from ledger_entries e join ledger_postings p on p.entry_id = e.id and p.account_id = a.id
            where e.block_number > ${block}), 0) as balance
        from wallets w join people q on q.id = w.person_id
        join ledger_accounts a on a.kind = 'wallet' and a.owner = q.ledger_id and a.reference = w.id::text
        join ledger_balances b on b.account_id = a.id
        where w.id = any(${wallets}::uuid[])`,
    );

  const balanceOf = async (holding: Holding, block: number): Promise<bigint> => {
    const token = holding.assetId.split(':').at(-1) as string;
    const data = BALANCE_OF + holding.address.slice(2).toLowerCase().padStart(64, '0');
    const answer = await gateway.rpc(holding.chainId, 'eth_call', [
      { to: token, data },
      `0x${block.toString(16)}`,
    ]);
    return BigInt(typeof answer === 'string' && answer !== '0x' ? answer : '0x0');
  };

  return {
    async pass({ limit, personId }) {
      const chosen = await rows(
        postgres.db,
        sql<{ id: string; address: string }>`select id, address from wallets where history_state = 'done'
            ${personId === undefined ? sql`` : sql`and person_id = ${personId}`}
          order by reconciled_at limit ${limit}`,
      );
      const [probe] = chosen;
      if (!probe) {
        if (personId === undefined) onDrift(0);
        return { blockNumber: undefined, compared: 0, drifts: [] };
      }
      const block = await pinnedBlock(probe.address);
      if (block === undefined) return { blockNumber: undefined, compared: 0, drifts: [] };
      const held = await holdings(
        chosen.map((w) => w.id),
        block,
      );
      const drifts: Drift[] = [];
      const left = [...held];
      const lane = async (): Promise<void> => {
        for (let h = left.shift(); h; h = left.shift()) {
          const chain = await balanceOf(h, block);
          const ledger = BigInt(h.balance);
          if (ledger !== chain)
            drifts.push({
              walletId: h.walletId,
              address: h.address,
              assetId: h.assetId,
              ledger,
              chain,
              blockNumber: block,
            });
        }
      };
      await Promise.all(Array.from({ length: PARALLEL }, lane));
      await sql`update wallets set reconciled_at = ${new Date(clock.now())} where id = any(${chosen.map((w) => w.id)}::uuid[])`.execute(
        postgres.db,
      );
      if (personId === undefined) onDrift(drifts.length);
      for (const drift of drifts)
        log.error(
          {
            assetId: drift.assetId,
            walletId: drift.walletId,
            difference: (drift.chain - drift.ledger).toString(),
            blockNumber: block,
          },
          'the ledger differs from the chain',
        );
      return { blockNumber: block, compared: held.length, drifts };
    },
  };
}
