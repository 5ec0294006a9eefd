import { RpcCallError } from '../rpc/ethereum-rpc.ts';

/** Addresses or topic alternatives in one filter; more is refused, as by the large providers. */
const MAX_ALTERNATIVES = 1_000;
const MAX_TOPICS = 4;
const ADDRESS = /^0x[0-9a-f]{40}$/i;
const TOPIC = /^0x[0-9a-f]{64}$/i;

/** What a client wants to hear of: lower case, undefined for "any". */
export interface LogFilter {
  readonly addresses: ReadonlySet<string> | undefined;
  readonly topics: readonly (ReadonlySet<string> | undefined)[];
}

/** A log as far as filters look; everything else is passed on unread. */
export interface LogRecord {
  readonly address: string;
  readonly topics: readonly string[];
}

const invalid = (message: string): RpcCallError => new RpcCallError(-32602, message, { retry: 'never' });

function alternatives(value: unknown, pattern: RegExp, what: string): ReadonlySet<string> | undefined {
  const list = Array.isArray(value) ? value : [value];
  if (list.length > MAX_ALTERNATIVES)
    throw invalid(`${what}: at most ${MAX_ALTERNATIVES} alternatives, got ${list.length}`);
  for (const item of list) {
    if (typeof item !== 'string' || !pattern.test(item))
      throw invalid(`${what}: ${JSON.stringify(item)} is not valid`);
  }
  // An empty list means "any", as in every node.
  return list.length === 0 ? undefined : new Set(list.map((item: string) => item.toLowerCase()));
}

/**
 * Parses the `address` and `topics` members of a log filter.
 * @throws RpcCallError −32602 naming the member that is wrong.
 */
export function parseLogFilter(value: unknown): LogFilter {
  if (value === undefined || value === null) return { addresses: undefined, topics: [] };
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('filter: expected an object');
  const { address, topics } = value as Record<string, unknown>;
  if (topics !== undefined && topics !== null && !Array.isArray(topics))
    throw invalid('topics: expected an array');
  const positions = (topics ?? []) as unknown[];
  if (positions.length > MAX_TOPICS)
    throw invalid(`topics: a log has at most ${MAX_TOPICS}, got ${positions.length}`);
  return {
    addresses:
      address === undefined || address === null ? undefined : alternatives(address, ADDRESS, 'address'),
    topics: positions.map((topic, index) =>
      topic === null || topic === undefined ? undefined : alternatives(topic, TOPIC, `topics[${index}]`),
    ),
  };
}

/** The semantics of `eth_getLogs`: a filter with more positions than the log has topics never matches. */
export function matchesLog(filter: LogFilter, log: LogRecord): boolean {
  if (filter.addresses !== undefined && !filter.addresses.has(log.address.toLowerCase())) return false;
  if (filter.topics.length > log.topics.length) return false;
  return filter.topics.every(
    (wanted, index) => wanted === undefined || wanted.has((log.topics[index] as string).toLowerCase()),
  );
}

/**
 * One `address` parameter that covers all filters: one upstream call serves every subscriber of a block.
 * @returns undefined when some filter wants every address, or the union would be longer than nodes accept.
 */
export function unionOfAddresses(filters: Iterable<LogFilter>): string[] | undefined {
  const union = new Set<string>();
  for (const { addresses } of filters) {
    if (addresses === undefined) return undefined;
    for (const address of addresses) union.add(address);
    if (union.size > MAX_ALTERNATIVES) return undefined;
  }
  return [...union].sort();
}
