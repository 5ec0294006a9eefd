/** The scrape targets of a stack: its processes by name. */
export const targetsOf = (urls: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    (
      [
        ['gateway', urls.gateway],
        ['gateway-worker', urls.gatewayWorker],
        ['gateway-indexer', urls.gatewayIndexer],
        ['api', urls.api],
        ['user', urls.user],
        ['console', urls.console],
      ] as const
    ).flatMap(([name, url]) => (url === undefined ? [] : [[name, url]])),
  );
