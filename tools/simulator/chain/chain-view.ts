/**
 * Blocks, transactions and logs as a pure function of (seed, height, branch). Nothing is stored: any block of a
 * chain with forty million of them is made when asked for, and two processes with the same seed agree.
 *
 * Hashes carry their height in the last six bytes, so looking one up needs no index.
 */
import { hash as digest } from 'node:crypto';

export interface ChainParameters {
  readonly chainId: number;
  readonly seed: number;
  readonly genesisTimeMs: number;
  /** 0: blocks appear only when mined by hand. */
  readonly blockTimeMs: number;
  readonly transactionsPerBlock: number;
  readonly logsPerTransaction: number;
}

/** From this height on the chain follows the branch `salt`; the latest fork that covers a height wins. */
export interface Fork {
  readonly from: number;
  readonly salt: string;
}

export interface LogObject {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: string;
  readonly blockHash: string;
  readonly blockTimestamp: string;
  readonly transactionHash: string;
  readonly transactionIndex: string;
  readonly logIndex: string;
  readonly removed: boolean;
}

export type TransactionObject = Readonly<Record<string, unknown>> & { readonly hash: string };
export type BlockObject = Readonly<Record<string, unknown>> & {
  readonly hash: string;
  readonly parentHash: string;
  readonly number: string;
};

/** A transaction somebody sent to the synthetic chain, with the height it was mined at. */
export interface SubmittedTransaction {
  readonly hash: string;
  readonly height: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

export const TRANSFER_TOPIC = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef';
/** The three tokens of every synthetic chain. */
export const SYNTHETIC_TOKENS = [
  '0x1000000000000000000000000000000000000001',
  '0x1000000000000000000000000000000000000002',
  '0x1000000000000000000000000000000000000003',
] as const;

const BLOOM_EMPTY = `0x${'00'.repeat(256)}`;
/** Every bit set: a bloom may claim too much, never too little. */
const BLOOM_FULL = `0x${'ff'.repeat(256)}`;

export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const pad = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');

export interface ChainView {
  readonly parameters: ChainParameters;
  readonly forks: readonly Fork[];
  hashAt(height: number): string;
  timestampAt(height: number): number;
  block(height: number, full: boolean): BlockObject;
  logs(height: number): LogObject[];
  transactions(height: number): TransactionObject[];
  /** Height of a block hash on this branch; undefined when it is unknown or orphaned. */
  heightOf(blockHash: string): number | undefined;
  /** Where a transaction hash is mined on this branch, whatever the head is. */
  locate(transactionHash: string): { height: number; index: number } | undefined;
  withFork(fork: Fork): ChainView;
}

export function createChainView(
  parameters: ChainParameters,
  forks: readonly Fork[],
  submittedAt: (height: number) => readonly SubmittedTransaction[] = () => [],
  findSubmitted: (hash: string) => SubmittedTransaction | undefined = () => undefined,
): ChainView {
  const { seed, chainId } = parameters;
  const sha = (text: string): string => digest('sha256', `${seed}|${chainId}|${text}`, 'hex');

  function saltAt(height: number): string {
    for (let index = forks.length - 1; index >= 0; index -= 1) {
      const fork = forks[index];
      if (fork !== undefined && fork.from <= height) return fork.salt;
    }
    return '';
  }

  const hashAt = (height: number): string => {
    if (height < 0) return `0x${'00'.repeat(32)}`;
    return `0x${sha(`block|${height}|${saltAt(height)}`).slice(0, 52)}${pad(height, 12)}`;
  };

  /** Even transactions survive a reorg (mined again under another block hash); odd ones exist on one branch only. */
  const transactionHash = (height: number, index: number): string => {
    const salt = index % 2 === 0 ? '' : saltAt(height);
    return `0x${sha(`tx|${height}|${index}|${salt}`).slice(0, 48)}${pad(index, 4)}${pad(height, 12)}`;
  };

  const timestampAt = (height: number): number => {
    const step = parameters.blockTimeMs === 0 ? 1_000 : parameters.blockTimeMs;
    return Math.floor((parameters.genesisTimeMs + height * step) / 1_000);
  };

  const addressOf = (text: string): string => `0x${sha(`address|${text}`).slice(0, 40)}`;

  function transactions(height: number): TransactionObject[] {
    if (height <= 0) return [];
    const blockHash = hashAt(height);
    const made: TransactionObject[] = [];
    for (let index = 0; index < parameters.transactionsPerBlock; index += 1) {
      made.push({
        hash: transactionHash(height, index),
        type: '0x2',
        chainId: hex(chainId),
        nonce: hex(height),
        blockHash,
        blockNumber: hex(height),
        transactionIndex: hex(index),
        from: addressOf(`sender|${height % 97}|${index}`),
        to: SYNTHETIC_TOKENS[(height + index) % SYNTHETIC_TOKENS.length],
        value: '0x0',
        input: '0xa9059cbb',
        gas: '0xea60',
        gasPrice: '0x3b9aca07',
        maxFeePerGas: '0x77359400',
        maxPriorityFeePerGas: '0x3b9aca00',
        accessList: [],
        v: '0x0',
        yParity: '0x0',
        r: `0x${sha(`r|${height}|${index}`)}`,
        s: `0x${sha(`s|${height}|${index}`).replace(/^./, '1')}`,
      });
    }
    for (const submitted of submittedAt(height)) {
      made.push({
        ...submitted.fields,
        hash: submitted.hash,
        blockHash,
        blockNumber: hex(height),
        transactionIndex: hex(made.length),
      });
    }
    return made;
  }

  function logs(height: number): LogObject[] {
    if (height <= 0 || parameters.logsPerTransaction === 0) return [];
    const blockHash = hashAt(height);
    const blockTimestamp = hex(timestampAt(height));
    const made: LogObject[] = [];
    for (let index = 0; index < parameters.transactionsPerBlock; index += 1) {
      const hashOfTransaction = transactionHash(height, index);
      for (let event = 0; event < parameters.logsPerTransaction; event += 1) {
        const key = `${height}|${index}|${event}`;
        made.push({
          address: SYNTHETIC_TOKENS[(height + index + event) % SYNTHETIC_TOKENS.length] as string,
          topics: [
            TRANSFER_TOPIC,
            `0x${'00'.repeat(12)}${addressOf(`from|${key}`).slice(2)}`,
            `0x${'00'.repeat(12)}${addressOf(`to|${height % 13}`).slice(2)}`,
          ],
          data: `0x${pad(height * 100 + index * 10 + event, 64)}`,
          blockNumber: hex(height),
          blockHash,
          blockTimestamp,
          transactionHash: hashOfTransaction,
          transactionIndex: hex(index),
          logIndex: hex(made.length),
          removed: false,
        });
      }
    }
    return made;
  }

  function block(height: number, full: boolean): BlockObject {
    const mined = transactions(height);
    return {
      number: hex(height),
      hash: hashAt(height),
      parentHash: hashAt(height - 1),
      timestamp: hex(timestampAt(height)),
      nonce: '0x0000000000000000',
      difficulty: '0x0',
      totalDifficulty: '0x0',
      extraData: '0x',
      gasLimit: '0x1c9c380',
      gasUsed: hex(21_000 * mined.length),
      baseFeePerGas: hex(1_000_000_000 + (height % 8)),
      miner: '0x0000000000000000000000000000000000000000',
      mixHash: `0x${sha(`mix|${height}`)}`,
      stateRoot: `0x${sha(`state|${height}|${saltAt(height)}`)}`,
      transactionsRoot: `0x${sha(`transactions|${height}|${saltAt(height)}`)}`,
      receiptsRoot: `0x${sha(`receipts|${height}|${saltAt(height)}`)}`,
      sha3Uncles: '0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347',
      logsBloom: mined.length * parameters.logsPerTransaction === 0 ? BLOOM_EMPTY : BLOOM_FULL,
      size: '0x400',
      uncles: [],
      withdrawals: [],
      withdrawalsRoot: '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421',
      transactions: full ? mined : mined.map((transaction) => transaction.hash),
    };
  }

  return {
    parameters,
    forks,
    hashAt,
    timestampAt,
    block,
    logs,
    transactions,
    heightOf(blockHash) {
      const height = Number.parseInt(blockHash.slice(-12), 16);
      return Number.isSafeInteger(height) && hashAt(height) === blockHash ? height : undefined;
    },
    locate(hashOfTransaction) {
      const submitted = findSubmitted(hashOfTransaction);
      if (submitted !== undefined) {
        const index = transactions(submitted.height).findIndex(({ hash }) => hash === submitted.hash);
        return { height: submitted.height, index };
      }
      const height = Number.parseInt(hashOfTransaction.slice(-12), 16);
      const index = Number.parseInt(hashOfTransaction.slice(-16, -12), 16);
      if (!Number.isSafeInteger(height) || index >= parameters.transactionsPerBlock) return undefined;
      return transactionHash(height, index) === hashOfTransaction ? { height, index } : undefined;
    },
    withFork: (fork) => createChainView(parameters, [...forks, fork], submittedAt, findSubmitted),
  };
}
