import { getAddress, Interface } from 'ethers';
import { multiPartyEscrowAbi } from '../../../../contracts/abi/multi-party-escrow.ts';
import { AppError } from '../../../../lib/errors.ts';
import type { EthereumRpc } from '../../rpc/ethereum-rpc.ts';

export interface ContractChannel {
  readonly nonce: bigint;
  readonly sender: string;
  readonly signer: string;
  readonly recipient: string;
  /** 32 bytes in hex. */
  readonly groupId: string;
  readonly value: bigint;
  readonly expiration: bigint;
}

export interface ChannelFlows {
  readonly deposited: bigint;
  readonly claimed: bigint;
  readonly returned: bigint;
  readonly claims: { nonce: bigint; amount: bigint }[];
}

export interface BlockPoint {
  readonly number: number;
  readonly hash: string;
}

/** Reads the MultiPartyEscrow contract through the gateway's own read path. */
export interface MpeContract {
  readonly address: string;
  head(): Promise<bigint>;
  /** The block that has so many on top of it. */
  confirmedBlock(confirmations: number): Promise<BlockPoint>;
  channel(id: bigint, block: number): Promise<ContractChannel>;
  /** Channels that were opened by `sender` to this recipient and group, oldest first. */
  opened(query: {
    sender: string;
    recipient: string;
    groupId: string;
    fromBlock: number;
    toBlock: number;
  }): Promise<{ channelId: bigint; signer: string }[]>;
  /** What came into a channel and what left it, by the events of the contract. */
  flows(id: bigint, sender: string, fromBlock: number, toBlock: number): Promise<ChannelFlows>;
  /** What an owner has in the contract outside of channels. */
  freeBalance(owner: string): Promise<bigint>;
}

const abi = new Interface(multiPartyEscrowAbi);
/** The head is asked for at most this often: signatures are good for five blocks. */
const HEAD_CACHE_MS = 400;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const word = (value: string | bigint): string =>
  `0x${(typeof value === 'bigint' ? value.toString(16) : value.replace(/^0x/, '').toLowerCase()).padStart(64, '0')}`;
const topic = (event: string): string => (abi.getEvent(event) as { topicHash: string }).topicHash;

interface Log {
  topics: string[];
  data: string;
}

export function createMpeContract(deps: {
  rpc: EthereumRpc;
  address: string;
  monotonic: () => number;
}): MpeContract {
  const { rpc, address, monotonic } = deps;
  let cached: { at: number; head: Promise<bigint> } | undefined;

  async function request<T>(method: string, params: readonly unknown[]): Promise<T> {
    try {
      return (await rpc.request(method, params, { principal: 'snet' })) as T;
    } catch (cause) {
      throw new AppError(
        'chain_unavailable',
        `The chain could not be read for a payment channel: ${(cause as Error).message}`,
        { retryAfterSeconds: 2, cause },
      );
    }
  }
  const call = async (name: string, args: readonly unknown[], block: string) =>
    abi.decodeFunctionResult(
      name,
      await request<string>('eth_call', [{ to: address, data: abi.encodeFunctionData(name, args) }, block]),
    );
  const logs = async (topics: readonly unknown[], fromBlock: number, toBlock: number) =>
    (
      await request<Log[]>('eth_getLogs', [
        { address, topics, fromBlock: hex(fromBlock), toBlock: hex(toBlock) },
      ])
    ).map((log) => abi.parseLog(log));

  return {
    address,
    head() {
      const now = monotonic();
      if (cached === undefined || now - cached.at > HEAD_CACHE_MS) {
        const head = request<string>('eth_blockNumber', []).then(BigInt);
        cached = { at: now, head };
        head.catch(() => {
          cached = undefined;
        });
      }
      return cached.head;
    },
    async confirmedBlock(confirmations) {
      const head = Number(await request<string>('eth_blockNumber', []));
      const number = Math.max(0, head - confirmations);
      const block = await request<{ hash: string } | null>('eth_getBlockByNumber', [hex(number), false]);
      if (!block)
        throw new AppError('chain_unavailable', `Block ${number} cannot be read at the moment.`, {
          retryAfterSeconds: 2,
        });
      return { number, hash: block.hash };
    },
    async channel(id, block) {
      const [nonce, sender, signer, recipient, groupId, value, expiration] = await call(
        'channels',
        [id],
        hex(block),
      );
      return {
        nonce,
        sender: getAddress(sender),
        signer: getAddress(signer),
        recipient: getAddress(recipient),
        groupId,
        value,
        expiration,
      };
    },
    async opened({ sender, recipient, groupId, fromBlock, toBlock }) {
      const topics = [topic('ChannelOpen'), word(sender), word(recipient), groupId];
      return (await logs(topics, fromBlock, toBlock)).flatMap((log) =>
        log
          ? [{ channelId: log.args.channelId as bigint, signer: getAddress(log.args.signer as string) }]
          : [],
      );
    },
    async flows(id, sender, fromBlock, toBlock) {
      const [opens, changes] = await Promise.all([
        logs([topic('ChannelOpen'), word(sender)], fromBlock, toBlock),
        logs([['ChannelAddFunds', 'ChannelClaim'].map(topic), word(id)], fromBlock, toBlock),
      ]);
      const flows = { deposited: 0n, claimed: 0n, returned: 0n, claims: [] as ChannelFlows['claims'] };
      for (const log of opens) if (log?.args.channelId === id) flows.deposited += log.args.amount as bigint;
      for (const log of changes) {
        if (log?.name === 'ChannelAddFunds') flows.deposited += log.args.additionalFunds as bigint;
        if (log?.name !== 'ChannelClaim') continue;
        const amount = log.args.claimAmount as bigint;
        flows.claimed += amount;
        // The event is written after the nonce was raised.
        flows.claims.push({ nonce: (log.args.nonce as bigint) - 1n, amount });
      }
      return flows;
    },
    freeBalance: async (owner) => (await call('balances', [owner], 'latest'))[0] as bigint,
  };
}
