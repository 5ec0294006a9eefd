import { AbiCoder, id } from 'ethers';
import { requireContract } from '../../lib/contracts-manifest.ts';
import { rpcCall } from '../stack/parts/anvil.ts';
import { expectThat } from './demo-failure.ts';
import type { Story } from './story.ts';

export interface BalanceAnswer {
  readonly raw: string;
  readonly decimals: number;
  readonly formatted: string;
  readonly asOf: { readonly blockNumber: number; readonly blockHash: string; readonly finality: string };
}

/** Her RJV balance as the API tells it. */
export async function rjvBalance(story: Story, address: string): Promise<BalanceAnswer> {
  const { accessToken } = story.fact('person');
  const { body } = await story.api.get(`/v1/wallets/${address}/balances`, { token: accessToken });
  const rjv = body.data?.find((entry: { token?: { symbol?: string } }) => entry.token?.symbol === 'RJV');
  expectThat(rjv, 'RJV among the balances', body, 'api');
  expectThat(Number.isInteger(body.asOf?.blockNumber), 'asOf with a block number', body.asOf, 'api');
  return { ...rjv.amount, asOf: body.asOf };
}

/** `balanceOf` at a block, asked of the chain itself past every part of the platform. */
export async function balanceOnChain(
  story: Story,
  address: string,
  block: number | 'latest',
): Promise<bigint> {
  const data =
    id('balanceOf(address)').slice(0, 10) +
    AbiCoder.defaultAbiCoder().encode(['address'], [address]).slice(2);
  const token = requireContract(story.stack.manifest, 'RejuveToken').address;
  const at = block === 'latest' ? block : `0x${block.toString(16)}`;
  return BigInt(await rpcCall<string>(story.stack.url('chain'), 'eth_call', [{ to: token, data }, at]));
}

/** A block as the chain itself tells it; null when there is none of this height. */
export async function blockOnChain(
  story: Story,
  height: number,
): Promise<{ hash: string; timestamp: string } | null> {
  return rpcCall(story.stack.url('chain'), 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false]);
}
