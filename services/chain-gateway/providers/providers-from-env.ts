import { ConfigError } from '../../../lib/config.ts';
import { type ProviderConfig, providerFromUrl } from './provider-config.ts';

const GREEK = [
  'alpha',
  'beta',
  'gamma',
  'delta',
  'epsilon',
  'zeta',
  'eta',
  'theta',
  'iota',
  'kappa',
  'lambda',
  'mu',
];

/**
 * Providers from a plain list of URLs. They are named alpha, beta, … so that logs and headers never show a URL,
 * which often carries a key.
 * @throws ConfigError for the same URL twice: two names for one node would look like two witnesses
 */
export function providersFromUrls(urls: readonly string[]): ProviderConfig[] {
  const seen = new Map<string, number>();
  urls.forEach((url, index) => {
    const first = seen.get(url);
    if (first !== undefined) {
      throw new ConfigError('gateway', [
        {
          key: 'RPC_URLS',
          message: `URL ${index + 1} is the same as URL ${first + 1}; each provider must be another node`,
        },
      ]);
    }
    seen.set(url, index);
  });
  return urls.map((url, index) => providerFromUrl(GREEK[index] ?? `provider-${index + 1}`, url));
}
