import { getAddress, Interface } from 'ethers';
import { multiPartyEscrowAbi } from '../../contracts/abi/multi-party-escrow.ts';
import { createChainClient } from '../../contracts/chain-client.ts';
import type { Hex } from '../../contracts/hex.ts';

export interface ChainChannel {
  readonly nonce: bigint;
  readonly sender: string;
  readonly signer: string;
  readonly recipient: string;
  readonly groupId: string;
  readonly value: bigint;
  readonly expiration: bigint;
}

/** What a daemon reads from the chain. */
export interface DaemonChain {
  currentBlock(): Promise<bigint>;
  /** undefined when the contract has no such channel. */
  channel(id: bigint): Promise<ChainChannel | undefined>;
}

export const mpe = new Interface(multiPartyEscrowAbi);
const NOBODY = `0x${'0'.repeat(40)}`;

export function createDaemonChain(rpcUrl: string, mpeAddress: string): DaemonChain {
  const client = createChainClient(rpcUrl);
  return {
    async currentBlock() {
      return BigInt(await client.request<Hex>('eth_blockNumber'));
    },
    async channel(id) {
      const data = await client.request<Hex>('eth_call', [
        { to: mpeAddress, data: mpe.encodeFunctionData('channels', [id]) },
        'latest',
      ]);
      const [nonce, sender, signer, recipient, groupId, value, expiration] = mpe.decodeFunctionResult(
        'channels',
        data,
      );
      if (sender === NOBODY) return undefined;
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
  };
}
