import { Transaction } from 'ethers';
import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import { type ChainReader, RpcError } from '../chain/chain-reader.ts';
import type { AsOf } from '../chain/schemas.ts';
import { mayReadRecordOf, principalKey } from '../governance/authorise.ts';
import type { WalletService } from '../wallets/service.ts';
import type { SubmissionStore, Submitted } from './submission-store.ts';
import type { TransactionView } from './view.ts';

/** Answers of nodes that hold these very bytes already: it is on its way, as wanted. */
const KNOWN = /already known|known transaction|already imported|already in mempool/i;

/** How often an open event stream looks for a new state; both questions are answered from the gateway's cache. */
const FOLLOW_MS = 1_000;

export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** Nodes want a replacement to offer a tenth more of both fees; an eighth, rounded up, satisfies all of them. */
const outbid = (fee: bigint | null): bigint => ((fee ?? 0n) * 9n + 7n) / 8n;

interface Receipt {
  readonly blockNumber: string;
  readonly blockHash: string;
  readonly status?: string;
}

export type SubmissionService = ReturnType<typeof createSubmissionService>;

/** Transactions that people signed with their own wallets: checked, saved, broadcast, followed. */
export function createSubmissionService(deps: {
  store: SubmissionStore;
  chain: Pick<ChainReader, 'call' | 'batch' | 'latest'>;
  chainId: number;
  confirmations: number;
  wallets: Pick<WalletService, 'requireOwner'>;
  clock: Clock;
  random: Pick<Random, 'uuid'>;
}) {
  const { store, chain, chainId, confirmations, wallets, clock, random } = deps;

  const refuse = (rule: string, detail: string, message: string, cause?: unknown): AppError =>
    new AppError('invalid_argument', message, {
      cause,
      errors: [{ pointer: '/rawTransaction', rule, detail }],
    });

  function parse(raw: string): Transaction {
    let transaction: Transaction;
    try {
      transaction = Transaction.from(raw);
    } catch (cause) {
      throw refuse(
        'encoding',
        'RLP of a signed transaction, as a wallet makes it',
        'This is not a transaction.',
        cause,
      );
    }
    if (!transaction.isSigned() || !transaction.from || !transaction.hash) {
      throw refuse('signed', 'a signed transaction', 'The transaction is not signed.');
    }
    if (transaction.chainId !== BigInt(chainId)) {
      throw refuse(
        'chain',
        `chain id ${chainId}`,
        `The transaction is for chain ${transaction.chainId}; this is chain ${chainId}.`,
      );
    }
    return transaction;
  }

  /** Height of the newest final block; undefined where the chain does not tell. */
  async function finalizedHeight(): Promise<number | undefined> {
    try {
      const block = await chain.call<{ number: string } | null>('eth_getBlockByNumber', ['finalized', false]);
      return block === null ? undefined : Number(block.number);
    } catch (error) {
      if (error instanceof RpcError) return undefined;
      throw error;
    }
  }

  /** How far they are, from what the chain says now; the number of round trips does not depend on how many they are. */
  async function views(entries: readonly Submitted[]): Promise<TransactionView[]> {
    const [head, finalized, receipts] = await Promise.all([
      chain.latest(),
      finalizedHeight(),
      chain.batch<Receipt | null>(
        entries.map(({ hash }) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
      ),
    ]);
    // What stays: a nonce that is used up to there will not be free again.
    const settled = `0x${(finalized ?? Math.max(0, head.blockNumber - confirmations)).toString(16)}`;
    const waiting = [...new Set(entries.filter((_, i) => !receipts[i]).map(({ from }) => from))];
    const nonces = await chain.batch<string>(
      waiting.map((from) => ({ method: 'eth_getTransactionCount', params: [from, settled] })),
    );
    const nextNonce = new Map(waiting.map((from, i) => [from, Number(nonces[i])]));
    return entries.map((entry, i) =>
      viewOf(entry, receipts[i] ?? null, head, finalized, (nextNonce.get(entry.from) ?? 0) > entry.nonce),
    );
  }

  const view = async (entry: Submitted): Promise<TransactionView> =>
    (await views([entry]))[0] as TransactionView;

  function viewOf(
    entry: Submitted,
    receipt: Receipt | null,
    head: AsOf,
    finalized: number | undefined,
    nonceUsed: boolean,
  ): TransactionView {
    const blockNumber = receipt ? Number(receipt.blockNumber) : null;
    const depth = blockNumber === null ? 0 : Math.max(0, head.blockNumber - blockNumber);
    const reverted = receipt?.status === '0x0';
    // Without a receipt and with its nonce used in a block that stays, another transaction took its place for good.
    const state = !receipt
      ? nonceUsed
        ? 'replaced'
        : 'submitted'
      : reverted
        ? 'failed'
        : blockNumber !== null && finalized !== undefined && blockNumber <= finalized
          ? 'finalized'
          : depth >= confirmations
            ? 'confirmed'
            : 'included';
    return {
      id: entry.id,
      chainId,
      state,
      signer: { alias: 'self', address: entry.from },
      to: entry.to,
      contract: null,
      function: null,
      args: null,
      value: entry.value,
      nonce: entry.nonce,
      hash: entry.hash,
      blockNumber,
      blockHash: receipt?.blockHash ?? null,
      confirmations: depth,
      error: reverted
        ? { code: 'transaction_reverted', message: 'The transaction failed in its block.' }
        : state === 'replaced'
          ? { code: 'nonce_used', message: 'Another transaction of the wallet took its nonce.' }
          : null,
      purpose: null,
      createdAt: entry.createdAt.toISOString(),
      updatedAt: new Date(Math.max(Date.parse(head.blockTime), entry.createdAt.getTime())).toISOString(),
    };
  }

  async function broadcast(raw: string): Promise<void> {
    try {
      await chain.call('eth_sendRawTransaction', [raw]);
    } catch (error) {
      if (!(error instanceof RpcError) || KNOWN.test(error.message)) {
        if (error instanceof RpcError) return;
        throw error;
      }
      if (/nonce too low/i.test(error.message)) {
        // It may be this very transaction that used the nonce.
        const mined = await chain.call('eth_getTransactionReceipt', [Transaction.from(raw).hash]);
        if (mined) return;
        throw new AppError('conflict', 'The nonce was used by another transaction; prepare it again.', {
          cause: error,
        });
      }
      if (/insufficient funds/i.test(error.message)) {
        throw new AppError('insufficient_funds', 'The wallet cannot pay for the value and the fees.', {
          cause: error,
        });
      }
      throw new AppError('transaction_reverted', `The chain refused it: ${error.message.slice(0, 200)}.`, {
        cause: error,
      });
    }
  }

  async function own(principal: Principal, id: string): Promise<Submitted> {
    const entry = await store.find(id);
    if (!entry || !mayReadRecordOf(principal, entry.principal)) {
      throw new AppError('not_found', 'There is no such transaction.');
    }
    return entry;
  }

  return {
    isOurs: (id: string): boolean => id.startsWith('wtx-'),

    /** The same bytes twice are one transaction, whatever the idempotency key. */
    async submit(principal: Principal, raw: string): Promise<TransactionView> {
      const transaction = parse(raw);
      const from = transaction.from as string;
      await wallets.requireOwner(principal, from);
      const entry = await store.add({
        id: `wtx-${random.uuid()}`,
        principal: principalKey(principal),
        chainId,
        hash: transaction.hash as string,
        raw,
        from,
        to: transaction.to,
        value: transaction.value.toString(),
        nonce: transaction.nonce,
        selector: transaction.data.length >= 10 ? transaction.data.slice(0, 10) : null,
      });
      await broadcast(raw);
      return view(entry);
    },

    async get(principal: Principal, id: string): Promise<TransactionView> {
      const entry = await own(principal, id);
      const now = await view(entry);
      // Nodes forget what waits too long; sending the same bytes again can do no harm.
      if (now.state === 'submitted') await broadcast(entry.raw).catch(() => undefined);
      return now;
    },

    /**
     * What a wallet signs to cancel its own transaction: nothing, to itself, at the same nonce, for higher fees.
     * @throws AppError not_found; conflict when it is too late
     */
    async cancellationOf(
      principal: Principal,
      id: string,
    ): Promise<{ from: string; nonce: number; fees: Fees }> {
      const entry = await own(principal, id);
      const { state } = await view(entry);
      if (state !== 'submitted')
        throw new AppError('conflict', `The transaction is ${state}; it cannot be cancelled any more.`);
      const sent = Transaction.from(entry.raw);
      return {
        from: entry.from,
        nonce: entry.nonce,
        fees: {
          maxFeePerGas: outbid(sent.maxFeePerGas ?? sent.gasPrice),
          maxPriorityFeePerGas: outbid(sent.maxPriorityFeePerGas ?? sent.gasPrice),
        },
      };
    },

    /** Every state from now to the last one, each with its id for `Last-Event-ID`. */
    async *follow(
      principal: Principal,
      id: string,
      lastEventId: string | undefined,
      signal: AbortSignal,
    ): AsyncGenerator<{ id: string; view: TransactionView }> {
      const entry = await own(principal, id);
      let told = lastEventId;
      while (!signal.aborted) {
        const now = await view(entry);
        // A reorg may take it to another block of the same state: that is news too.
        const eventId = `${now.state}:${now.blockHash ?? '-'}`;
        if (eventId !== told) {
          told = eventId;
          yield { id: eventId, view: now };
        }
        if (now.state === 'finalized' || now.state === 'replaced') return;
        if (now.state === 'failed' && now.blockNumber !== null) {
          const finalized = await finalizedHeight();
          if (finalized !== undefined && now.blockNumber <= finalized) return;
        }
        if (now.state === 'submitted') await broadcast(entry.raw).catch(() => undefined);
        await clock.sleep(FOLLOW_MS, signal).catch(() => undefined);
      }
    },

    async list(principal: Principal, before: string | undefined, limit: number): Promise<Submitted[]> {
      return store.list(principalKey(principal), before, limit);
    },
    views,
  };
}
