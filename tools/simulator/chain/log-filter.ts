import type { LogObject } from './chain-view.ts';

export interface LogFilter {
  readonly address?: string | readonly string[];
  readonly topics?: readonly (string | readonly string[] | null)[];
  readonly fromBlock?: string;
  readonly toBlock?: string;
  readonly blockHash?: string;
}

/** Address and topic semantics of `eth_getLogs`: null is a wildcard, a list means any of them. */
export function matchesLogFilter(filter: LogFilter, log: LogObject): boolean {
  if (filter.address !== undefined) {
    const wanted = Array.isArray(filter.address) ? filter.address : [filter.address];
    if (wanted.length > 0 && !wanted.some((address: string) => address.toLowerCase() === log.address))
      return false;
  }
  for (const [position, topic] of (filter.topics ?? []).entries()) {
    const present = log.topics[position];
    // More topics in the filter than in the log never match, wildcards included.
    if (present === undefined) return false;
    if (topic === null) continue;
    const wanted = Array.isArray(topic) ? topic : [topic as string];
    if (wanted.length > 0 && !wanted.some((candidate: string) => candidate.toLowerCase() === present))
      return false;
  }
  return true;
}
