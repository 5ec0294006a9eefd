import type { Random } from '../../../../lib/random.ts';
import type { UnsignedTransaction } from '../../signers/signer.ts';
import { baseFeeAfter, type Fees, type Urgency } from '../fees.ts';
import type { Head, LaneChain, Receipt, SendOutcome } from '../lane-types.ts';

/** A signed transaction of the model; the bytes are its JSON. */
export interface ModelBytes extends Omit<UnsignedTransaction, 'accessList'> {
  readonly from: string;
  readonly hash: string;
}

interface ModelBlock {
  readonly number: number;
  readonly hash: string;
  readonly timeMs: number;
  readonly transactions: readonly ModelBytes[];
  /** How many transactions each signer has executed up to and with this block. */
  readonly counts: ReadonlyMap<string, number>;
}

/** How badly the providers behave; all are probabilities per call or per block. */
export interface ModelFaults {
  callFails: number;
  /** The bytes arrive and the answer is lost. */
  timeoutAfterAccept: number;
  /** The provider says yes and forgets. */
  acceptAndDrop: number;
  /** A wrong answer out of the blue: "nonce too low", "underpriced" or a count that is too high. */
  lie: number;
  /** The provider is a few blocks behind. */
  lag: number;
  reorg: number;
  dropMempool: number;
  /** Somebody else uses one of our keys. */
  foreignUse: number;
  feeSpike: number;
  stall: number;
}

export const CALM: ModelFaults = {
  callFails: 0,
  timeoutAfterAccept: 0,
  acceptAndDrop: 0,
  lie: 0,
  lag: 0,
  reorg: 0,
  dropMempool: 0,
  foreignUse: 0,
  feeSpike: 0,
  stall: 0,
};

/** Blocks until nothing is taken back any more; reorgs of the model stay above it. */
export const MODEL_FINALITY = 16;
const MAX_REORG = 12;
const GWEI = 1_000_000_000n;
const BLOCK_LIMIT = 30;

export interface ModelChain extends LaneChain {
  readonly faults: ModelFaults;
  /** Time passes: perhaps a block, perhaps a reorg. */
  step(now: number): void;
  /** Every transaction of the canonical chain, in order. */
  executed(): ModelBytes[];
  count(address: string): number;
  setBalance(address: string, balance: bigint): void;
  readonly headNumber: number;
}

/** A chain, its mempools and its unreliable providers, small enough to run ten thousand times. */
export function createModelChain(options: {
  random: Random;
  signers: readonly string[];
  providers: number;
  faults: ModelFaults;
  reverts: (tx: ModelBytes) => boolean;
}): ModelChain {
  const { random, signers, reverts } = options;
  const faults = { ...options.faults };
  let blocks: ModelBlock[] = [{ number: 0, hash: '0xb0', timeMs: 0, transactions: [], counts: new Map() }];
  let serial = 0;
  let nextBlockAt = 0;
  let baseFee = 10n * GWEI;
  const pools = Array.from({ length: options.providers }, () => new Map<string, ModelBytes>());
  const lagging = pools.map(() => 0);
  const balances = new Map<string, bigint>();
  const chance = (p: number): boolean => p > 0 && random.float() < p;
  const pick = (n: number): number => Math.floor(random.float() * n);
  const slotKey = (tx: ModelBytes): string => `${tx.from}:${tx.nonce}`;
  const top = (): ModelBlock => blocks[blocks.length - 1] as ModelBlock;
  const countIn = (address: string, upTo: number): number =>
    blocks[Math.min(upTo, blocks.length - 1)]?.counts.get(address) ?? 0;
  const fail = (): void => {
    if (chance(faults.callFails)) throw new Error('the provider did not answer');
  };
  /** The height that the provider which is asked happens to see. */
  const seen = (): number => Math.max(0, top().number - (lagging[pick(lagging.length)] ?? 0));

  function mine(now: number): void {
    const number = top().number + 1;
    const mempool = pools[pick(pools.length)] ?? new Map();
    const transactions: ModelBytes[] = [];
    for (const signer of signers) {
      let nonce = countIn(signer, number - 1);
      if (chance(faults.foreignUse)) {
        transactions.push(foreign(signer, nonce));
        nonce += 1;
      }
      while (transactions.length < BLOCK_LIMIT && !chance(0.15)) {
        const tx = mempool.get(`${signer}:${nonce}`);
        if (!tx || tx.maxFeePerGas < baseFee) break;
        transactions.push(tx);
        nonce += 1;
      }
    }
    const counts = new Map(top().counts);
    for (const tx of transactions) counts.set(tx.from, (counts.get(tx.from) ?? 0) + 1);
    blocks.push({ number, hash: `0xb${(++serial).toString(16)}`, timeMs: now, transactions, counts });
    for (const pool of pools) for (const tx of transactions) pool.delete(slotKey(tx));
    if (chance(faults.feeSpike)) baseFee = baseFeeAfter(baseFee, 12);
    else if (baseFee > 10n * GWEI) baseFee -= baseFee / 8n;
  }

  const foreign = (from: string, nonce: number): ModelBytes => ({
    chainId: 1,
    from,
    nonce,
    to: from,
    data: '0xf0f0',
    value: 0n,
    gasLimit: 21_000n,
    maxFeePerGas: baseFee,
    maxPriorityFeePerGas: 1n,
    hash: `0xf${(++serial).toString(16)}`,
  });

  function reorg(now: number): void {
    const depth = 1 + pick(Math.min(MAX_REORG, Math.max(1, blocks.length - 2)));
    if (depth >= blocks.length) return;
    const gone = blocks.slice(blocks.length - depth);
    blocks = blocks.slice(0, blocks.length - depth);
    // Some of what was in them comes back to some mempools; the rest is forgotten.
    for (const block of gone) {
      for (const tx of block.transactions) {
        for (const pool of pools)
          if (tx.data !== '0xf0f0' && chance(0.5) && !pool.has(slotKey(tx))) pool.set(slotKey(tx), tx);
      }
    }
    const target = gone.length + 1;
    for (let i = 0; i < target; i++) mine(now);
  }

  function accept(raw: string, pool: Map<string, ModelBytes>): SendOutcome {
    const tx = JSON.parse(raw, (key, value) =>
      ['value', 'gasLimit', 'maxFeePerGas', 'maxPriorityFeePerGas'].includes(key) ? BigInt(value) : value,
    ) as ModelBytes;
    if (tx.nonce < countIn(tx.from, top().number)) return { kind: 'nonce_too_low', message: 'nonce too low' };
    if ((balances.get(tx.from) ?? 10n ** 24n) < tx.gasLimit * tx.maxFeePerGas)
      return { kind: 'insufficient_funds', message: 'insufficient funds' };
    const known = pool.get(slotKey(tx));
    if (known?.hash === tx.hash) return { kind: 'already_known' };
    if (
      known &&
      (tx.maxFeePerGas * 10n < known.maxFeePerGas * 11n ||
        tx.maxPriorityFeePerGas * 10n < known.maxPriorityFeePerGas * 11n)
    ) {
      return { kind: 'underpriced', message: 'replacement transaction underpriced' };
    }
    if (chance(faults.acceptAndDrop)) return { kind: 'accepted' };
    // What one provider has the others hear of, mostly.
    for (const other of pools) if (other === pool || chance(0.8)) other.set(slotKey(tx), tx);
    return { kind: 'accepted' };
  }

  return {
    chainId: 1,
    faults,
    get headNumber() {
      return top().number;
    },
    step(now) {
      if (now < nextBlockAt) return;
      nextBlockAt = now + (chance(faults.stall) ? 90_000 : 2_000);
      if (chance(faults.dropMempool)) pools[pick(pools.length)]?.clear();
      for (let i = 0; i < lagging.length; i++) lagging[i] = chance(faults.lag) ? 1 + pick(3) : 0;
      if (chance(faults.reorg) && top().number > 2) reorg(now);
      else mine(now);
    },
    executed: () => blocks.flatMap((block) => [...block.transactions]),
    count: (address) => countIn(address, top().number),
    setBalance: (address, balance) => void balances.set(address, balance),

    async head(): Promise<Head> {
      fail();
      const block = blocks[seen()] as ModelBlock;
      return { number: block.number, hash: block.hash, timeMs: block.timeMs };
    },
    async finalizedNumber() {
      fail();
      return Math.max(0, seen() - MODEL_FINALITY);
    },
    async nonce(address, tag) {
      fail();
      if (tag === 'finalized') return countIn(address, Math.max(0, seen() - MODEL_FINALITY));
      const count = countIn(address, seen());
      if (chance(faults.lie)) return count + 1;
      if (tag === 'latest') return count;
      let pending = count;
      while (pools[0]?.has(`${address}:${pending}`)) pending += 1;
      return pending;
    },
    async balance(address) {
      fail();
      return balances.get(address) ?? 10n ** 24n;
    },
    async receipt(hash): Promise<Receipt | null> {
      fail();
      const height = seen();
      for (let i = height; i >= 0; i--) {
        const block = blocks[i] as ModelBlock;
        const tx = block.transactions.find((candidate) => candidate.hash === hash);
        if (tx) {
          return {
            hash,
            blockNumber: block.number,
            blockHash: block.hash,
            success: !reverts(tx),
            gasUsed: 21_000n,
            effectiveGasPrice: baseFee,
          };
        }
      }
      return null;
    },
    async blockHash(number) {
      fail();
      return number > seen() ? null : ((blocks[number]?.hash as string) ?? null);
    },
    async fees() {
      fail();
      const base = baseFee;
      const suggest = (urgency: Urgency): Fees => {
        const tip = urgency === 'fast' ? 2n * GWEI : GWEI;
        return {
          maxFeePerGas: baseFeeAfter(base, urgency === 'slow' ? 3 : 6) + tip,
          maxPriorityFeePerGas: tip,
        };
      };
      return { suggest, nextBaseFee: base };
    },
    async send(raw) {
      if (chance(faults.callFails)) return { kind: 'unknown', message: 'the provider did not answer' };
      if (chance(faults.lie))
        return random.float() < 0.5
          ? { kind: 'nonce_too_low', message: 'nonce too low' }
          : { kind: 'underpriced', message: 'underpriced' };
      const pool = pools[pick(pools.length)] as Map<string, ModelBytes>;
      const outcome = accept(raw, pool);
      return chance(faults.timeoutAfterAccept) ? { kind: 'unknown', message: 'timeout' } : outcome;
    },
  };
}
