import { Signature, Wallet } from 'ethers';
import { createChainClient } from '../../contracts/chain-client.ts';
import type { Hex } from '../../contracts/hex.ts';
import { sendTransactions } from '../../contracts/send-transactions.ts';
import { mpe } from './chain.ts';
import type { StandInDaemon } from './daemon.ts';

/** More than a claim takes. */
const CLAIM_GAS = 300_000n;

/** Claims what a channel owes, as its recipient does: the daemon raises the nonce, then the contract does. */
export async function claimChannel(options: {
  daemon: StandInDaemon;
  rpcUrl: string;
  recipientKey: string;
  channelId: bigint;
  close: boolean;
}): Promise<{ nonce: string; amount: string }> {
  const { daemon, channelId, close } = options;
  const client = createChainClient(options.rpcUrl);
  const from = new Wallet(options.recipientKey);
  const { nonce, amount, signature } = daemon.startClaim(channelId, close);
  const { v, r, s } = Signature.from(`0x${signature}`);
  await sendTransactions({
    client,
    from,
    chainId: Number(await client.request<Hex>('eth_chainId')),
    transactions: [
      {
        label: `claim channel ${channelId}`,
        nonce: Number(await client.request<Hex>('eth_getTransactionCount', [from.address, 'pending'])),
        gasLimit: CLAIM_GAS,
        to: daemon.context.settings.mpeAddress as Hex,
        data: mpe.encodeFunctionData('channelClaim', [channelId, amount, amount, v, r, s, close]) as Hex,
      },
    ],
    onDone: () => undefined,
  });
  return { nonce: nonce.toString(), amount: amount.toString() };
}
