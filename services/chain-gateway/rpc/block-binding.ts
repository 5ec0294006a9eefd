import type { ChainView } from '../heads/chain-view.ts';
import { RPC_ERROR } from './errors.ts';
import { canonicalJson, JsonDepthError } from './json-text.ts';
import type { MethodSpec } from './methods.ts';

/** Which block a call is about, after tags were replaced by numbers. */
export type BlockBinding =
  | {
      readonly kind: 'number' /** First and last block; equal for all but ranges. */;
      readonly from: number;
      readonly to: number;
    }
  | { readonly kind: 'hash' }
  | { readonly kind: 'pending' }
  | { readonly kind: 'none' };

/** A call with its block pinned: what is cached, coalesced and sent. */
export interface BoundCall {
  readonly method: string;
  readonly spec: MethodSpec;
  readonly params: readonly unknown[];
  /** Canonical JSON text of the parameters. */
  readonly paramsText: string;
  /** Equal for calls that mean the same. */
  readonly key: string;
  readonly block: BlockBinding;
  readonly cacheable: boolean;
  /** The head when the call was bound. */
  readonly boundAtHead: number | undefined;
  /** The canonical hash of the last block the call is about, when it was bound. */
  readonly canonicalHash: string | undefined;
  /** Known without asking anybody, e.g. logs of blocks that do not exist yet. */
  readonly localResult?: string;
}

export interface BindProblem {
  readonly code: number;
  readonly message: string;
}

const QUANTITY = /^0x(0|[1-9a-f][0-9a-f]*)$/i;
/** Nodes accept leading zeros unwillingly or not at all; we accept and repair them. */
const LOOSE_QUANTITY = /^0x[0-9a-f]+$/i;
const TAGS = new Set(['latest', 'pending', 'earliest', 'safe', 'finalized']);

const NO_BLOCK: BlockBinding = { kind: 'none' };
const BY_HASH: BlockBinding = { kind: 'hash' };
const PENDING: BlockBinding = { kind: 'pending' };

type Bound = { readonly value: unknown; readonly block: BlockBinding } | BindProblem;

/** Replaces block tags by the numbers of the served head, so that all providers are asked about the same block. */
export function bindCall(
  method: string,
  spec: MethodSpec,
  params: readonly unknown[],
  view: ChainView,
): BoundCall | BindProblem {
  let block: BlockBinding = NO_BLOCK;
  let bound = params;
  let localResult: string | undefined;
  if (method === 'eth_getLogs') {
    const filter = bindLogFilter(params[0], view);
    if ('code' in filter) return filter;
    bound = [filter.value, ...params.slice(1)];
    block = filter.block;
    const head = view.head();
    if (block.kind === 'number' && head !== undefined && block.from > head) localResult = '[]';
  } else if (spec.block !== undefined) {
    const given = params[spec.block];
    if (given !== undefined || (spec.blockDefault !== undefined && params.length === spec.block)) {
      const result = bindBlock(given ?? spec.blockDefault, view);
      if ('code' in result) return result;
      block = result.block;
      if (result.value !== given) {
        const copy = params.slice();
        copy[spec.block] = result.value;
        bound = copy;
      }
    }
  }
  let paramsText: string;
  try {
    paramsText = canonicalJson(bound, spec.coalesce && spec.write !== true);
  } catch (error) {
    if (error instanceof JsonDepthError)
      return { code: RPC_ERROR.invalidParams, message: `params are ${error.message}` };
    throw error;
  }
  const head = view.head();
  return {
    method,
    spec,
    params: bound,
    paramsText,
    key: method + paramsText,
    block,
    cacheable:
      block.kind !== 'pending' && (block.kind !== 'number' || head === undefined || block.to <= head),
    boundAtHead: head,
    canonicalHash: block.kind === 'number' ? view.hashOf(block.to) : undefined,
    ...(localResult === undefined ? {} : { localResult }),
  };
}

function bindBlock(value: unknown, view: ChainView): Bound {
  if (typeof value === 'string') {
    const number = numberOf(value, view);
    if (number !== undefined)
      return { value: hex(number), block: { kind: 'number', from: number, to: number } };
    if (value === 'pending') return { value, block: PENDING };
    if (TAGS.has(value)) return { value, block: PENDING };
    if (/^0x[0-9a-f]{64}$/i.test(value)) return { value, block: BY_HASH };
    return {
      code: RPC_ERROR.invalidParams,
      message: `block must be a number in hex, a hash or one of ${[...TAGS].join(', ')}, not ${quoted(value)}`,
    };
  }
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
    return { value: hex(value), block: { kind: 'number', from: value, to: value } };
  }
  if (typeof value === 'object' && value !== null) {
    // EIP-1898: {blockHash, requireCanonical?} or {blockNumber}
    const { blockHash, blockNumber } = value as { blockHash?: unknown; blockNumber?: unknown };
    if (typeof blockHash === 'string') return { value, block: BY_HASH };
    if (blockNumber !== undefined) return bindBlock(blockNumber, view);
  }
  return {
    code: RPC_ERROR.invalidParams,
    message: `block must be a number in hex, a tag or an EIP-1898 object, not ${quoted(value)}`,
  };
}

function bindLogFilter(value: unknown, view: ChainView): Bound {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { code: RPC_ERROR.invalidParams, message: 'eth_getLogs takes one filter object' };
  }
  const filter = value as Record<string, unknown>;
  if (filter.blockHash !== undefined) {
    if (filter.fromBlock !== undefined || filter.toBlock !== undefined) {
      return { code: RPC_ERROR.invalidParams, message: 'a filter has either blockHash or fromBlock/toBlock' };
    }
    return { value, block: BY_HASH };
  }
  const from = bindBlock(filter.fromBlock ?? 'latest', view);
  if ('code' in from) return from;
  const to = bindBlock(filter.toBlock ?? 'latest', view);
  if ('code' in to) return to;
  const block = { from: from.block, to: to.block };
  if (block.from.kind !== 'number' || block.to.kind !== 'number')
    return { value: { ...filter, fromBlock: from.value, toBlock: to.value }, block: PENDING };
  const first = block.from.from;
  if (first > block.to.to)
    return { code: RPC_ERROR.invalidParams, message: `fromBlock ${first} is after toBlock ${block.to.to}` };
  // Nothing can be logged in blocks that nobody has; a range that reaches into the future ends at the head.
  const head = view.head();
  const last = head !== undefined && head >= first ? Math.min(block.to.to, head) : block.to.to;
  return {
    value: { ...filter, fromBlock: hex(first), toBlock: hex(last) },
    block: { kind: 'number', from: first, to: last },
  };
}

/** The number that a block parameter stands for, undefined when the gateway cannot say. */
function numberOf(value: string, view: ChainView): number | undefined {
  switch (value) {
    case 'latest':
      return view.head();
    case 'safe':
      return view.safe();
    case 'finalized':
      return view.finalized();
    case 'earliest':
      return 0;
    case 'pending':
      return undefined;
    default: {
      if (value.length >= 60 || !(QUANTITY.test(value) || LOOSE_QUANTITY.test(value))) return undefined;
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : undefined;
    }
  }
}

function hex(number: number): string {
  return `0x${number.toString(16)}`;
}

function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
