import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Gateway, IndexedTransfer } from '../gateway/client.ts';
import type { ChainEvent } from '../gateway/schemas.ts';
import type { Db, UserPostgres } from '../shared/database.ts';

export interface AuditedWallet {
  readonly id: string;
  readonly address: string;
  readonly personId: string;
  readonly chainId: number;
  /** Transfers above this block must have been told. */
  readonly auditedBlock: number;
}

export interface AuditResult {
  readonly wallets: number;
  readonly expected: number;
  readonly missing: number;
  readonly repaired: number;
}

const PAGE = 500;
/** Blocks that are looked at again each time: a reorganisation may have changed them. */
const REVISIT_BLOCKS = 64;

/**
 * Proves that every transfer of every linked wallet was told. What must be there is read from the chain's index, not from
 * our own tables or the event log that we consumed, so a transfer that the consumer never saw is found as well.
 * What is missing is repaired through the same code that writes it normally.
 */
export function createAudit(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  gateway: Pick<Gateway, 'transfers'>;
  nextWallets: (db: Db, before: Date, limit: number) => Promise<AuditedWallet[]>;
  toldKeys: (db: Db, personId: string, keys: readonly string[]) => Promise<ReadonlySet<string>>;
  markAudited: (db: Db, walletId: string, at: Date, block: number) => Promise<void>;
  /** Writes ledger entry and inbox row of an event as the consumer does. */
  handle: (trx: Db, events: readonly ChainEvent[]) => Promise<void>;
  pinCursor: (trx: Db) => Promise<unknown>;
  /** The first block that the consumer has not finished; undefined when it has read everything. */
  consumerBlock: () => Promise<number | undefined>;
  clock: Pick<Clock, 'now'>;
  log: Logger;
  graceMs: number;
  onMissing: (count: number) => void;
}): { pass(signal: AbortSignal, maxWallets: number): Promise<AuditResult> } {
  const {
    postgres,
    gateway,
    nextWallets,
    toldKeys,
    markAudited,
    handle,
    pinCursor,
    consumerBlock,
    clock,
    log,
    graceMs,
    onMissing,
  } = deps;

  const expectedOf = async (wallet: AuditedWallet, signal: AbortSignal) => {
    const since = wallet.auditedBlock;
    const young = clock.now() - graceMs;
    const expected: IndexedTransfer[] = [];
    let asOfBlock = 0;
    let oldestYoung = Number.POSITIVE_INFINITY;
    let cursor: string | undefined;
    do {
      signal.throwIfAborted();
      const page = await gateway.transfers({
        chainId: wallet.chainId,
        address: wallet.address,
        cursor,
        limit: PAGE,
      });
      asOfBlock ||= page.asOfBlock;
      let reachedEnd = false;
      for (const transfer of page.transfers) {
        if (transfer.blockNumber <= since) reachedEnd = true;
        else if (transfer.stage === 'reverted') continue;
        else if (transfer.blockTime.getTime() > young)
          oldestYoung = Math.min(oldestYoung, transfer.blockNumber);
        else expected.push(transfer);
      }
      cursor = reachedEnd ? undefined : page.next;
    } while (cursor !== undefined);
    return { expected, checkedTo: Math.min(asOfBlock, oldestYoung - 1) };
  };

  return {
    async pass(signal, maxWallets) {
      const startedAt = new Date(clock.now());
      const wallets = await nextWallets(postgres.db, startedAt, maxWallets);
      let expectedTotal = 0;
      let missingTotal = 0;
      let repaired = 0;
      const reached = await consumerBlock();
      for (const wallet of wallets) {
        const { expected, checkedTo } = await expectedOf(wallet, signal);
        expectedTotal += expected.length;
        const told = await toldKeys(
          postgres.db,
          wallet.personId,
          expected.map((t) => t.key),
        );
        const missing = expected.filter((t) => !told.has(t.key));
        missingTotal += missing.length;
        onMissing(missingTotal);
        // What the consumer has not come to yet is late, which counts, and is not lost, so it is left to the consumer.
        const lost = missing.filter((t) => reached === undefined || t.blockNumber < reached);
        if (lost.length > 0) {
          // ERROR on purpose: a person was not told, and somebody has to find out why.
          log.error(
            { missing: lost.length, keys: lost.slice(0, 5).map((t) => t.key) },
            'transfers without a notification; writing them now',
          );
          await postgres.transaction(async (trx) => {
            await pinCursor(trx);
            await handle(
              trx,
              lost.map(asEvent).sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex),
            );
          });
          const now = await toldKeys(
            postgres.db,
            wallet.personId,
            missing.map((t) => t.key),
          );
          repaired += now.size;
          missingTotal -= now.size;
        }
        await markAudited(
          postgres.db,
          wallet.id,
          startedAt,
          Math.max(wallet.auditedBlock, checkedTo - REVISIT_BLOCKS),
        );
      }
      onMissing(missingTotal);
      return { wallets: wallets.length, expected: expectedTotal, missing: missingTotal, repaired };
    },
  };
}

/** A transfer of the index in the form of the event log; it has no number there, and needs none. */
const asEvent = (t: IndexedTransfer): ChainEvent => ({
  seq: 0,
  chainId: t.chainId,
  type: 'transfer.erc20',
  stage: t.stage,
  key: t.key,
  blockNumber: t.blockNumber,
  blockHash: t.key.split(':')[1] ?? '',
  blockTime: t.blockTime,
  logIndex: t.logIndex,
  transactionHash: t.transactionHash,
  contract: { address: t.token },
  data: { from: t.from, to: t.to, amount: t.amount.toString() },
});
