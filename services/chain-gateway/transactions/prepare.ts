import { z } from 'zod';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import { RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { ContractBook } from './contract-book.ts';
import { decodeRevert, revertData } from './decode-revert.ts';
import { type Fees, smaller, type Urgency } from './fees.ts';
import type { LaneChain } from './lane-types.ts';
import { toHex } from './rpc-lane-chain.ts';

/** A queued transaction as preparation sees it. */
export interface Candidate {
  readonly id: string;
  readonly to: string;
  readonly data: string;
  readonly value: bigint;
  readonly urgency: Urgency;
  readonly maxFeeCap: bigint | null;
}

export type Preparation =
  | {
      readonly kind: 'ready';
      readonly gasLimit: bigint;
      readonly costEstimate: bigint;
      readonly accessList: AccessList | null;
    }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'wait'; readonly reason: string };

export type AccessList = { address: string; storageKeys: string[] }[];

/** State can change between the estimate and the execution; unused gas is paid back. */
const GAS_MARGIN_PERCENT = 25n;
/** A request for at least this much gas is worth the extra call that looks for a cheaper access list. */
const ACCESS_LIST_WORTH_GAS = 60_000n;

const estimateSchema = z.string().transform(BigInt);
const accessListSchema = z.object({
  accessList: z.array(z.object({ address: z.string(), storageKeys: z.array(z.string()) })),
  gasUsed: z.string().transform(BigInt),
  error: z.string().optional(),
});

/** Simulates, estimates and prices one transaction sent by `from`. Never throws for what the chain says about it. */
export async function prepare(
  deps: { rpc: EthereumRpc; chain: LaneChain; book: ContractBook; feeCap: bigint; accessLists: boolean },
  candidate: Candidate,
  from: string,
): Promise<Preparation> {
  const { rpc, chain, book } = deps;
  const call = { from, to: candidate.to, data: candidate.data, value: toHex(candidate.value) };
  try {
    if (candidate.value > 0n && (await chain.balance(from)) < candidate.value) {
      return {
        kind: 'refused',
        code: 'insufficient_funds',
        message: `the signer holds less than the ${candidate.value} wei that are to be sent`,
      };
    }
    const estimate = estimateSchema.parse(
      await rpc.request('eth_estimateGas', [call, 'latest'], { principal: 'transactions' }),
    );
    const list =
      deps.accessLists && estimate >= ACCESS_LIST_WORTH_GAS
        ? await cheaperAccessList(rpc, call, estimate)
        : null;
    const gas = list?.gas ?? estimate;
    const fees = await chain.fees();
    const offer: Fees = fees.suggest(candidate.urgency);
    const cap =
      candidate.maxFeeCap !== null && candidate.maxFeeCap < deps.feeCap ? candidate.maxFeeCap : deps.feeCap;
    if (cap < fees.nextBaseFee) return { kind: 'wait', reason: 'fee_cap_below_base_fee' };
    // A plain transfer needs exactly 21,000; a margin there only raises what must be held.
    const gasLimit = gas === 21_000n ? gas : gas + (gas * GAS_MARGIN_PERCENT) / 100n;
    const likelyPrice = fees.nextBaseFee + offer.maxPriorityFeePerGas;
    return {
      kind: 'ready',
      gasLimit,
      costEstimate: gas * smaller(likelyPrice, cap),
      accessList: list?.accessList ?? null,
    };
  } catch (error) {
    if (!(error instanceof RpcCallError)) throw error;
    return judgeError(error, book, () =>
      rpc.request('eth_call', [call, 'latest'], { principal: 'transactions' }),
    );
  }
}

async function judgeError(
  error: RpcCallError,
  book: ContractBook,
  again: () => Promise<unknown>,
): Promise<Preparation> {
  const refused = (data: string | undefined): Preparation => {
    const reason = decodeRevert(data, book.errors);
    return { kind: 'refused', code: 'transaction_reverted', message: reason.message };
  };
  if (/insufficient funds|insufficient balance|exceeds allowance/i.test(error.message) && error.code !== 3)
    return { kind: 'wait', reason: 'out_of_funds' };
  const data = revertData(error.data);
  if (data) return refused(data);
  if (error.code === 3 || /revert/i.test(error.message)) {
    // Some nodes give the bytes only to eth_call.
    try {
      await again();
    } catch (second) {
      if (second instanceof RpcCallError) return refused(revertData(second.data));
      throw second;
    }
    return { kind: 'wait', reason: 'simulation_disagrees' };
  }
  if (error.retry === 'never') return { kind: 'refused', code: 'refused_by_chain', message: error.message };
  return { kind: 'wait', reason: 'chain_unavailable' };
}

/** An EIP-2930 access list, when it makes the call cheaper (it does when another contract's storage is read often). */
async function cheaperAccessList(
  rpc: EthereumRpc,
  call: object,
  estimate: bigint,
): Promise<{ accessList: AccessList; gas: bigint } | null> {
  try {
    const found = accessListSchema.safeParse(
      await rpc.request('eth_createAccessList', [call, 'latest'], {
        principal: 'transactions',
        priority: 'background',
      }),
    );
    if (!found.success || found.data.error || found.data.accessList.length === 0) return null;
    return found.data.gasUsed < estimate
      ? { accessList: found.data.accessList, gas: found.data.gasUsed }
      : null;
  } catch (error) {
    // An optimisation that a provider does not offer is no reason to wait.
    if (error instanceof RpcCallError) return null;
    throw error;
  }
}
