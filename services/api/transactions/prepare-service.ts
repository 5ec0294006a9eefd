import { Interface } from 'ethers';
import { formatAmount } from '../../../lib/amount.ts';
import { AppError } from '../../../lib/errors.ts';
import { type ChainReader, RpcError } from '../chain/chain-reader.ts';
import type { Contracts } from '../chain/contracts.ts';
import type { AsOf, Token } from '../chain/schemas.ts';
import type { Fees } from './submission-service.ts';

export interface PrepareRequest {
  readonly from: string;
  readonly contract?: string | undefined;
  readonly function?: string | undefined;
  readonly args?: readonly unknown[] | undefined;
  readonly to?: string | undefined;
  readonly data?: string | undefined;
  readonly value?: string | undefined;
  /** Replaces a transaction that waits: its nonce, and at least these fees. */
  readonly replaces?: { readonly nonce: number; readonly fees: Fees } | undefined;
}

/** A quarter more than estimated: state may change between the estimate and the block. */
const GAS_RESERVE_PERCENT = 125n;
/** Twice the base fee survives six full blocks in a row (each raises it by an eighth). */
const BASE_FEE_FACTOR = 2n;
/** Of what others paid on top in recent blocks. */
const PRIORITY_PERCENTILE = 50;
const MIN_PRIORITY_FEE = 1_000_000n;
const FEE_HISTORY_BLOCKS = 5;

/** Standard Solidity reverts (`Error(string)`, `Panic(uint256)`); a contract's own errors come with its ABI. */
const STANDARD_ERRORS = new Interface(['error Error(string)', 'error Panic(uint256)']);

export function revertReason(data: unknown, abi?: Interface): string | undefined {
  if (typeof data !== 'string' || !/^0x[0-9a-fA-F]{8,}$/.test(data)) return undefined;
  for (const known of [STANDARD_ERRORS, ...(abi ? [abi] : [])]) {
    const parsed = known.parseError(data);
    if (!parsed) continue;
    if (parsed.name === 'Error') return String(parsed.args[0]);
    return `${parsed.name}(${parsed.args.map(String).join(', ')})`;
  }
  return `error ${data.slice(0, 10)}`;
}

// biome-ignore lint/complexity/useMathMinMax: Math.max knows no bigint.
const highest = (...fees: bigint[]): bigint => fees.reduce((a, b) => (a > b ? a : b));

export type PrepareService = ReturnType<typeof createPrepareService>;

/** Unsigned transactions for a person's own wallet: encoded, simulated, priced and explained. */
export function createPrepareService(deps: {
  chain: Pick<ChainReader, 'call' | 'latest'>;
  contracts: Contracts;
  chainId: number;
  rejuveToken: () => Promise<Token>;
}) {
  const { chain, contracts, chainId, rejuveToken } = deps;

  function encode(request: PrepareRequest): { to: string; data: string; abi: Interface | undefined } {
    if (request.contract === undefined)
      return { to: request.to as string, data: request.data ?? '0x', abi: undefined };
    const abi = contracts.abiOf(request.contract);
    if (!abi || !contracts.has(request.contract)) {
      throw new AppError('invalid_argument', `There is no contract ${request.contract}.`, {
        errors: [{ pointer: '/contract', rule: 'unknown', detail: `one of ${contracts.names().join(', ')}` }],
      });
    }
    const fragment = abi.getFunction(request.function ?? '');
    if (!fragment) {
      throw new AppError('invalid_argument', `${request.contract} has no function ${request.function}.`, {
        errors: [{ pointer: '/function', rule: 'unknown', detail: 'a function of the contract' }],
      });
    }
    try {
      return {
        to: contracts.addressOf(request.contract),
        data: abi.encodeFunctionData(fragment, request.args ?? []),
        abi,
      };
    } catch (cause) {
      throw new AppError('invalid_argument', `The arguments do not fit ${fragment.format('sighash')}.`, {
        cause,
        errors: [{ pointer: '/args', rule: 'abi', detail: fragment.format('full').slice(0, 300) }],
      });
    }
  }

  /** What a person should read before she signs. */
  async function summarise(request: PrepareRequest): Promise<string> {
    const wei = BigInt(request.value ?? '0');
    const coin = wei > 0n ? ` and send ${formatAmount(wei, 18).formatted} ETH along` : '';
    if (request.replaces)
      return `Cancel your transaction with nonce ${request.replaces.nonce} by sending nothing to yourself in its place.`;
    if (request.contract === undefined) {
      if ((request.data ?? '0x') === '0x')
        return `Send ${formatAmount(wei, 18).formatted} ETH to ${request.to}.`;
      return `Call ${request.to} with ${((request.data ?? '0x').length - 2) / 2} bytes${coin}. What it does is not known here.`;
    }
    if (request.contract === 'RejuveToken') {
      const { symbol, decimals } = await rejuveToken();
      const amount = (raw: unknown): string =>
        `${formatAmount(BigInt(String(raw)), decimals).formatted} ${symbol}`;
      const [first, second] = request.args ?? [];
      if (request.function === 'transfer') return `Send ${amount(second)} to ${first}.`;
      if (request.function === 'approve') return `Allow ${first} to spend up to ${amount(second)} of yours.`;
      if (request.function === 'burn') return `Destroy ${amount(first)} of yours for ever.`;
    }
    if (request.contract === 'IdentityToken' && request.function === 'burnIdentity') {
      return `Destroy your identity ${request.args?.[0]} for ever, and with it every permission that you gave.`;
    }
    const args = (request.args ?? []).map((arg) => JSON.stringify(arg).slice(0, 80)).join(', ');
    return `Call ${request.contract}.${request.function}(${args})${coin}.`;
  }

  return {
    async prepare(request: PrepareRequest) {
      const { to, data, abi } = encode(request);
      const value = BigInt(request.value ?? '0');
      const call = { from: request.from, to, data, value: `0x${value.toString(16)}` };
      const asOf: AsOf = await chain.latest();
      try {
        await chain.call('eth_call', [call, `0x${asOf.blockNumber.toString(16)}`]);
        const [gas, nonce, history] = await Promise.all([
          chain.call<string>('eth_estimateGas', [call]),
          chain.call<string>('eth_getTransactionCount', [request.from, 'pending']),
          chain.call<{ baseFeePerGas: string[]; reward?: string[][] }>('eth_feeHistory', [
            `0x${FEE_HISTORY_BLOCKS.toString(16)}`,
            'latest',
            [PRIORITY_PERCENTILE],
          ]),
        ]);
        const rewards = (history.reward ?? [])
          .map(([fee]) => BigInt(fee ?? '0x0'))
          .sort((a, b) => (a < b ? -1 : 1));
        const median = rewards[Math.floor(rewards.length / 2)] ?? 0n;
        const maxPriorityFeePerGas = highest(
          median,
          MIN_PRIORITY_FEE,
          request.replaces?.fees.maxPriorityFeePerGas ?? 0n,
        );
        const baseFee = BigInt(history.baseFeePerGas.at(-1) ?? '0x0');
        const maxFeePerGas = highest(
          baseFee * BASE_FEE_FACTOR + maxPriorityFeePerGas,
          request.replaces?.fees.maxFeePerGas ?? 0n,
        );
        const gasLimit = (BigInt(gas) * GAS_RESERVE_PERCENT) / 100n;
        return {
          asOf,
          summary: await summarise(request),
          transaction: {
            type: 2 as const,
            chainId,
            from: request.from,
            to,
            nonce: request.replaces?.nonce ?? Number(nonce),
            data,
            value: value.toString(),
            gasLimit: gasLimit.toString(),
            maxFeePerGas: maxFeePerGas.toString(),
            maxPriorityFeePerGas: maxPriorityFeePerGas.toString(),
          },
          fees: {
            expected: formatAmount(BigInt(gas) * (baseFee + maxPriorityFeePerGas), 18),
            atMost: formatAmount(gasLimit * maxFeePerGas, 18),
          },
        };
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (/insufficient funds/i.test(error.message)) {
          throw new AppError('insufficient_funds', 'The wallet cannot pay for the value and the fees.', {
            cause: error,
          });
        }
        const reason = revertReason(error.data, abi) ?? error.message.slice(0, 200);
        throw new AppError('transaction_reverted', `It would fail: ${reason}.`, {
          cause: error,
          extra: { reason },
        });
      }
    },
  };
}
