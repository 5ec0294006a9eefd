import { RPC_ERROR } from './errors.ts';

/**
 * What an upstream JSON-RPC error means for routing. Providers agree on little beyond the text, so the text is
 * matched after the code. Order matters: the first rule that fits wins.
 */
export type UpstreamErrorKind =
  /** The chain's own answer; every honest provider would give the same one. */
  | 'revert'
  | 'invalid-params'
  | 'already-known'
  | 'nonce-too-low'
  | 'transaction-rejected'
  /** Another provider may do better; not a fault of this one's health. */
  | 'rate-limited'
  | 'method-not-found'
  | 'missing-data'
  | 'range-too-large'
  /** Counted against the provider. */
  | 'unauthorized'
  | 'timeout'
  | 'server';

interface Rule {
  readonly kind: UpstreamErrorKind;
  readonly codes?: readonly number[];
  readonly text?: RegExp;
}

const RULES: readonly Rule[] = [
  { kind: 'revert', codes: [RPC_ERROR.revert] },
  {
    kind: 'revert',
    text: /execution reverted|^reverted\b|vm execution error|out of gas|invalid opcode|stack (under|over)flow/i,
  },
  {
    kind: 'already-known',
    text: /already known|known transaction|already imported|tx already (exists|in mempool)|already in (the )?(mempool|pool)/i,
  },
  {
    kind: 'nonce-too-low',
    text: /nonce (is )?too low|nonce has already been used|old nonce|invalid nonce.*expected/i,
  },
  {
    kind: 'range-too-large',
    codes: [RPC_ERROR.rangeTooLarge],
    text: /(block|query) range|range.*(too (large|wide|big)|exceed|limit)|returned more than|too many (results|logs|blocks)|(response|result|log).{0,20}(size|count|set).{0,20}(exceed|limit|too large|larger)|max(imum)? .*block.*range|logs? .*limit/i,
  },
  {
    kind: 'rate-limited',
    codes: [429, -32429, -32097],
    text: /rate.?limit|too many requests|throughput|requests? per (second|minute|day)|quota|capacity (limit|exceeded)|compute units per|slow down|request limit|credits/i,
  },
  { kind: 'rate-limited', codes: [RPC_ERROR.limitExceeded] },
  {
    kind: 'missing-data',
    codes: [RPC_ERROR.missingData],
    text: /header not found|missing trie node|unknown block|block not found|state.{0,20}(not available|unavailable|pruned|missing)|pruned|block ?out ?of ?range|historical state|requires? archive|cannot find block|resource not found|not yet available|future block|after last accepted block|beyond.*head/i,
  },
  {
    kind: 'transaction-rejected',
    codes: [RPC_ERROR.transactionRejected],
    text: /insufficient funds|underpriced|gas (price|limit|fee).{0,30}(too|less|low|exceed|below)|intrinsic gas|exceeds block gas limit|fee cap|max fee per gas|nonce too high|replacement|sender|invalid (signature|chain ?id)|txpool|transaction type not supported|transaction (would|has)|oversized|tip/i,
  },
  {
    kind: 'method-not-found',
    codes: [RPC_ERROR.methodNotFound, -32004],
    text: /method.{0,40}(not (found|supported|exist|available|allowed)|does not exist|is not whitelisted)|unsupported method/i,
  },
  { kind: 'invalid-params', codes: [RPC_ERROR.invalidParams, RPC_ERROR.invalidRequest] },
  {
    kind: 'unauthorized',
    codes: [401, 403, RPC_ERROR.unauthorized],
    text: /unauthori[sz]ed|invalid (api|project|access) ?(key|id|token)|forbidden|must be authenticated/i,
  },
  { kind: 'timeout', codes: [RPC_ERROR.timeout], text: /timed? ?out|deadline exceeded|context canceled/i },
];

/** Methods whose errors may come from the transaction pool; elsewhere those texts mean something else. */
const WRITES = new Set(['eth_sendRawTransaction', 'eth_sendTransaction']);
const WRITE_ONLY: ReadonlySet<UpstreamErrorKind> = new Set([
  'already-known',
  'nonce-too-low',
  'transaction-rejected',
]);

/**
 * Classifies an error that a provider put into a JSON-RPC answer.
 * `server` is what is left: the provider failed in a way that says nothing about the call.
 */
export function classifyUpstreamError(method: string, code: number, message: string): UpstreamErrorKind {
  const write = WRITES.has(method);
  for (const rule of RULES) {
    if (!write && WRITE_ONLY.has(rule.kind) && code !== RPC_ERROR.transactionRejected) continue;
    if (rule.kind === 'range-too-large' && method !== 'eth_getLogs' && code !== RPC_ERROR.rangeTooLarge)
      continue;
    if (rule.codes?.includes(code) || rule.text?.test(message)) return rule.kind;
  }
  return 'server';
}

/** The code under which the gateway passes an upstream error of this kind on to its client. */
export function normalisedCode(kind: UpstreamErrorKind, upstreamCode: number): number {
  switch (kind) {
    case 'revert':
      return RPC_ERROR.revert;
    case 'invalid-params':
      return upstreamCode === RPC_ERROR.invalidRequest ? RPC_ERROR.invalidRequest : RPC_ERROR.invalidParams;
    case 'already-known':
    case 'nonce-too-low':
    case 'transaction-rejected':
      return RPC_ERROR.transactionRejected;
    case 'rate-limited':
      return RPC_ERROR.limitExceeded;
    case 'method-not-found':
      return RPC_ERROR.methodNotFound;
    case 'missing-data':
      return RPC_ERROR.missingData;
    case 'range-too-large':
      return RPC_ERROR.rangeTooLarge;
    case 'timeout':
      return RPC_ERROR.timeout;
    case 'unauthorized':
      // The provider refused us, not our client: the client's credentials are not the problem.
      return RPC_ERROR.noProvider;
    case 'server':
      return upstreamCode;
  }
}
