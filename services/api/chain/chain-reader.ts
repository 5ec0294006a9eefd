import { Interface, type InterfaceAbi } from 'ethers';
import { z } from 'zod';
import { multicall3Abi } from '../../../contracts/abi/multicall3.ts';
import { AppError } from '../../../lib/errors.ts';
import type { Clock } from '../../../lib/time.ts';
import type { AsOf } from './schemas.ts';

/** A view to call: which contract, which function, with what. */
export interface Call {
  readonly address: string;
  readonly abi: Interface;
  readonly function: string;
  readonly args: readonly unknown[];
}

/** What one call answered: its decoded values, or that it reverted. */
export type CallResult = { readonly ok: true; readonly values: readonly unknown[] } | { readonly ok: false };

/** The head is asked for at most this often; answers within the window describe the same block. */
const HEAD_MAX_AGE_MS = 500;

const rpcAnswer = z.union([
  z.object({ error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }) }),
  z.object({ result: z.unknown() }),
]);

const batchAnswer = z.array(z.looseObject({ id: z.number() }));
/** Below what a gateway takes in one body by default. */
const MAX_BATCH = 50;

const blockShape = z.object({ number: z.string(), hash: z.string(), timestamp: z.string() });

const multicall = new Interface(multicall3Abi);

/** An Interface from a typed ABI (`as const` arrays are read-only, ethers wants a mutable one). */
export const abiOf = (abi: readonly unknown[]): Interface => new Interface(abi as InterfaceAbi);

export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export type ChainReader = ReturnType<typeof createChainReader>;

/** Reads contracts through the gateway; everything of one answer comes from one block. */
export function createChainReader(deps: {
  rpc: (body: unknown, signal?: AbortSignal) => Promise<unknown>;
  multicallAddress: string | undefined;
  clock: Pick<Clock, 'now' | 'monotonic'>;
}) {
  const { rpc, multicallAddress, clock } = deps;
  let head: { at: number; value: Promise<AsOf> } | undefined;
  let lastId = 0;

  /** @throws RpcError when the chain refused, AppError chain_unavailable when nobody answered */
  async function call<T = unknown>(method: string, params: readonly unknown[]): Promise<T> {
    return resultOf(await rpc({ jsonrpc: '2.0', id: ++lastId, method, params })) as T;
  }

  /** Many calls in one round trip, the results in the order of the calls. @throws as {@link call}, for any of them */
  async function batch<T = unknown>(
    calls: readonly { method: string; params: readonly unknown[] }[],
  ): Promise<T[]> {
    const results: T[] = [];
    for (let from = 0; from < calls.length; from += MAX_BATCH) {
      const part = calls.slice(from, from + MAX_BATCH);
      const answers = batchAnswer.safeParse(
        await rpc(part.map(({ method, params }, id) => ({ jsonrpc: '2.0', id, method, params }))),
      );
      if (!answers.success)
        throw new AppError('chain_unavailable', 'The chain gave no usable answer.', { cause: answers.error });
      const byId = new Map(answers.data.map((answer) => [answer.id, answer]));
      for (const id of part.keys()) results.push(resultOf(byId.get(id)) as T);
    }
    return results;
  }

  function resultOf(answer: unknown): unknown {
    const parsed = rpcAnswer.safeParse(answer);
    if (!parsed.success)
      throw new AppError('chain_unavailable', 'The chain gave no usable answer.', { cause: parsed.error });
    if ('error' in parsed.data) {
      const { code, message, data } = parsed.data.error;
      // Reverts (3) and bad parameters are answers; the rest says that the chain cannot be asked now.
      if (code === 3 || code === -32000 || code === -32602 || code === -32003)
        throw new RpcError(code, message, data);
      throw new AppError('chain_unavailable', 'The chain cannot be read at the moment.', {
        cause: new RpcError(code, message, data),
        retryAfterSeconds: 1,
      });
    }
    return parsed.data.result;
  }

  async function readHead(): Promise<AsOf> {
    const block = blockShape.parse(await call('eth_getBlockByNumber', ['latest', false]));
    return {
      blockNumber: Number(block.number),
      blockHash: block.hash,
      blockTime: new Date(Number(block.timestamp) * 1000).toISOString(),
      finality: 'latest',
    };
  }

  /** @param maxAgeMs 0 asks the chain now. */
  function latest(maxAgeMs = HEAD_MAX_AGE_MS): Promise<AsOf> {
    const now = clock.monotonic();
    if (head && now - head.at <= maxAgeMs) return head.value;
    const value = readHead();
    head = { at: now, value };
    value.catch(() => {
      if (head?.value === value) head = undefined;
    });
    return value;
  }

  const decode = (one: Call, data: string): CallResult => {
    try {
      return { ok: true, values: [...one.abi.decodeFunctionResult(one.function, data)] };
    } catch {
      // An address without that function (or without code) answers bytes that are not its result: same as a revert.
      return { ok: false };
    }
  };

  async function callOne(one: Call, block: string): Promise<CallResult> {
    try {
      const data = one.abi.encodeFunctionData(one.function, one.args);
      return decode(one, await call<string>('eth_call', [{ to: one.address, data }, block]));
    } catch (error) {
      if (error instanceof RpcError) return { ok: false };
      throw error;
    }
  }

  return {
    call,
    batch,
    latest,

    /** Many views at one block: one round trip through Multicall3, or one each where the chain has none. */
    async read(calls: readonly Call[], at?: AsOf): Promise<{ asOf: AsOf; results: CallResult[] }> {
      const asOf = at ?? (await latest());
      const block = `0x${asOf.blockNumber.toString(16)}`;
      if (multicallAddress === undefined || calls.length < 2) {
        return { asOf, results: await Promise.all(calls.map((one) => callOne(one, block))) };
      }
      const batch = calls.map((one) => ({
        target: one.address,
        allowFailure: true,
        callData: one.abi.encodeFunctionData(one.function, one.args),
      }));
      const data = multicall.encodeFunctionData('aggregate3', [batch]);
      const raw = await call<string>('eth_call', [{ to: multicallAddress, data }, block]);
      const [answers] = multicall.decodeFunctionResult('aggregate3', raw) as unknown as [
        { success: boolean; returnData: string }[],
      ];
      const results = calls.map((one, index): CallResult => {
        const answer = answers[index];
        return answer?.success && answer.returnData !== '0x' ? decode(one, answer.returnData) : { ok: false };
      });
      return { asOf, results };
    },
  };
}
