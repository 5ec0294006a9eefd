import type { ReadPath } from './read-path.ts';

/** What a person sees who started the gateway by hand: where it is, what it stands on, and a line to try. */
export function banner(options: {
  url: string;
  chainId: number;
  path: ReadPath;
  metricsUrl: string | undefined;
  workers: number;
}): string {
  const { url, chainId, path } = options;
  const endpoint = `${url}/rpc/${chainId}`;
  const rows = path.pool
    .ranking()
    .map(({ provider, excluded }) => [
      provider.id,
      excluded === undefined ? 'ready' : excluded,
      provider.head === undefined ? '-' : String(provider.head.number),
      `${(provider.health.latency.quantile(0.5) ?? 0).toFixed(1)} ms`,
      String(provider.config.tier),
      hostOf(provider.config.url),
    ]);
  const table = [['provider', 'state', 'head', 'median', 'tier', 'host'], ...rows];
  const widths = (table[0] as string[]).map((_, column) =>
    Math.max(...table.map((row) => (row[column] as string).length)),
  );
  const lines = table.map(
    (row) =>
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd()}`,
  );
  return [
    '',
    `  JSON-RPC  ${endpoint}   (chain ${chainId}${options.workers > 1 ? `, ${options.workers} workers` : ''})`,
    `  Health    ${options.metricsUrl ?? url}/readyz   metrics ${options.metricsUrl ?? url}/metrics   providers ${url}/internal/providers`,
    '',
    ...lines,
    '',
    '  Try it:',
    `  curl -s ${endpoint} -H 'content-type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}'`,
    '',
    '',
  ].join('\n');
}

/** Never the path or the query: keys live there. */
function hostOf(url: string): string {
  return new URL(url).host;
}
