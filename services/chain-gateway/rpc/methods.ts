/**
 * What the gateway knows about each JSON-RPC method: what it costs, where its block parameter is, how long its
 * answer holds and whether an empty answer is plausible.
 */
export type CacheClass =
  /** Depends on one block only: holds as long as that block is canonical, for ever once it is final. */
  | 'block'
  /** Found by hash: the answer names the block it belongs to. */
  | 'hash'
  /** Depends on the head: holds until the next block. */
  | 'head'
  | 'none';

export interface MethodSpec {
  /** Compute units charged for one upstream attempt, unless the provider's own price list says otherwise. */
  readonly units: number;
  readonly cache: CacheClass;
  /** Position of the block parameter, for methods that have one. */
  readonly block?: number;
  /** The tag a node assumes when the block parameter is missing; absent when the node's choice is not ours to pin. */
  readonly blockDefault?: 'latest';
  /** Which result is suspicious when the data should exist, so that another provider is asked. */
  readonly empty?: 'null' | 'array';
  /** Safe to send twice at the same time. Writes and stateful calls are not. */
  readonly hedge: boolean;
  /** Answered by the chain alone, so that calls with the same parameters can share one upstream call. */
  readonly coalesce: boolean;
  readonly write?: boolean;
}

function read(units: number, cache: CacheClass, extra: Partial<MethodSpec> = {}): MethodSpec {
  return { units, cache, hedge: true, coalesce: true, ...extra };
}

const atBlock = (units: number, block: number, extra: Partial<MethodSpec> = {}): MethodSpec =>
  read(units, 'block', { block, blockDefault: 'latest', ...extra });

/** Compute units follow the relative effort of a full node; absolute prices are each provider's business. */
const METHODS: ReadonlyMap<string, MethodSpec> = new Map(
  Object.entries<MethodSpec>({
    eth_blockNumber: read(10, 'none'),
    eth_chainId: read(0, 'none'),
    net_version: read(0, 'none'),
    eth_gasPrice: read(20, 'head'),
    eth_maxPriorityFeePerGas: read(20, 'head'),
    eth_blobBaseFee: read(20, 'head'),
    eth_feeHistory: atBlock(20, 1),
    eth_getBalance: atBlock(20, 1),
    eth_getCode: atBlock(20, 1),
    eth_getTransactionCount: atBlock(20, 1),
    eth_getStorageAt: atBlock(20, 2),
    eth_getProof: atBlock(50, 2),
    eth_call: atBlock(26, 1),
    eth_createAccessList: atBlock(50, 1),
    eth_simulateV1: atBlock(100, 1),
    eth_estimateGas: read(80, 'none', { block: 1 }),
    eth_getBlockByNumber: atBlock(20, 0, { empty: 'null' }),
    eth_getHeaderByNumber: atBlock(20, 0, { empty: 'null' }),
    eth_getBlockTransactionCountByNumber: atBlock(20, 0, { empty: 'null' }),
    eth_getUncleCountByBlockNumber: atBlock(20, 0, { empty: 'null' }),
    eth_getUncleByBlockNumberAndIndex: atBlock(20, 0),
    eth_getTransactionByBlockNumberAndIndex: atBlock(20, 0),
    eth_getBlockReceipts: atBlock(100, 0, { empty: 'null' }),
    eth_getBlockByHash: read(20, 'hash', { empty: 'null' }),
    eth_getBlockTransactionCountByHash: read(20, 'none', { empty: 'null' }),
    eth_getUncleCountByBlockHash: read(20, 'none', { empty: 'null' }),
    eth_getTransactionByHash: read(20, 'hash', { empty: 'null' }),
    eth_getTransactionByBlockHashAndIndex: read(20, 'hash', { empty: 'null' }),
    eth_getTransactionReceipt: read(20, 'hash', { empty: 'null' }),
    eth_getLogs: read(75, 'block', { empty: 'array' }),
    eth_sendRawTransaction: { units: 250, cache: 'none', hedge: false, coalesce: true, write: true },
    txpool_content: read(100, 'none', { hedge: false }),
    debug_traceTransaction: read(300, 'none', { hedge: false }),
    debug_traceCall: read(300, 'none', { block: 1, hedge: false }),
  }),
);

const OTHER: MethodSpec = { units: 20, cache: 'none', hedge: false, coalesce: false };
const OTHER_TRACE: MethodSpec = { ...OTHER, units: 300 };

/** Never forwarded: they act on the node itself, or on keys that it holds. */
const REFUSED = /^(admin|personal|miner|engine|clique|parity|hardhat|anvil|evm|wallet|account)_/;
const REFUSED_EXACT = new Set([
  'eth_sendTransaction',
  'eth_sign',
  'eth_signTransaction',
  'eth_signTypedData',
  'eth_signTypedData_v3',
  'eth_signTypedData_v4',
  'eth_submitWork',
  'eth_submitHashrate',
  'eth_getWork',
]);
const WELL_FORMED = /^[a-z][a-z0-9]{1,15}_[a-zA-Z0-9_]{1,48}$/;

/**
 * @param extraAllowed methods that the operator opened although they are refused by default.
 * @returns undefined for a method that the gateway will not forward.
 */
export function methodSpec(method: string, extraAllowed?: ReadonlySet<string>): MethodSpec | undefined {
  const known = METHODS.get(method);
  if (known !== undefined) return known;
  if (!WELL_FORMED.test(method)) return undefined;
  if ((REFUSED.test(method) || REFUSED_EXACT.has(method)) && !extraAllowed?.has(method)) return undefined;
  return /^(debug|trace|arbtrace|ots)_/.test(method) ? OTHER_TRACE : OTHER;
}

/** True for methods that change something: the chain, or (where the operator opened them) the node. */
export function needsWriteAccess(method: string): boolean {
  const known = METHODS.get(method);
  return known !== undefined ? known.write === true : REFUSED.test(method) || REFUSED_EXACT.has(method);
}

/** True for names in the table: the set is bounded, so it may become a metric label. */
export function isKnownMethod(method: string): boolean {
  return METHODS.has(method);
}

export function knownMethods(): string[] {
  return [...METHODS.keys()];
}
