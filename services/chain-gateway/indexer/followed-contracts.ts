import { AbiCoder, Interface } from 'ethers';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { ContractBook, KnownContract } from '../transactions/contract-book.ts';
import { FOLLOWED_TOPICS } from './decode-log.ts';
import type { FollowedContract } from './index-types.ts';

/** How Transfer is to be read, from the ABI. */
function standardOf(contract: KnownContract): FollowedContract['standard'] {
  if (contract.interface.getEvent('TransferSingle')) return 'erc1155';
  const transfer = contract.interface.getEvent('Transfer');
  if (!transfer) return 'other';
  return transfer.inputs.filter((input) => input.indexed).length === 3 ? 'erc721' : 'erc20';
}

const metadata = new Interface([
  'function symbol() view returns (string)',
  'function decimals() view returns (uint8)',
]);

async function read(rpc: EthereumRpc, address: string, name: 'symbol' | 'decimals'): Promise<string | null> {
  try {
    const data = await rpc.request(
      'eth_call',
      [{ to: address, data: metadata.encodeFunctionData(name) }, 'latest'],
      { principal: 'indexer' },
    );
    return String(
      AbiCoder.defaultAbiCoder().decode([name === 'symbol' ? 'string' : 'uint8'], data as string)[0],
    );
  } catch (error) {
    // Symbol and decimals are optional in both standards; a contract without them is still followed.
    if (error instanceof RpcCallError && error.retry !== 'never') throw error;
    return null;
  }
}

/** The contracts of the book that emit anything we follow, with the names their tokens go by. */
export async function followedContracts(rpc: EthereumRpc, book: ContractBook): Promise<FollowedContract[]> {
  const followed = book.all().filter((contract) => {
    let any = false;
    contract.interface.forEachEvent((event) => {
      any ||= FOLLOWED_TOPICS.includes(event.topicHash);
    });
    return any;
  });
  return Promise.all(
    followed.map(async (contract) => {
      const standard = standardOf(contract);
      const [symbol, decimals] = await Promise.all([
        standard === 'other' ? null : read(rpc, contract.address, 'symbol'),
        standard === 'erc20' ? read(rpc, contract.address, 'decimals') : null,
      ]);
      return {
        name: contract.name,
        address: contract.address,
        standard,
        fromBlock: contract.deployedBlock,
        symbol,
        decimals: decimals === null ? null : Number(decimals),
      };
    }),
  );
}
