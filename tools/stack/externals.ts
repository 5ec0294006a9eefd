import { existsSync } from 'node:fs';
import { DEV_CHAIN_ID, rpcCall } from './parts/anvil.ts';
import { pingPostgres } from './parts/postgres.ts';
import { pingRedis } from './parts/redis.ts';

/** Servers of the user's own that replace embedded parts. */
export interface Externals {
  readonly databaseUrl?: string;
  readonly redisUrl?: string;
  readonly rpcUrls?: readonly string[];
  /** The chain that all of `rpcUrls` serve. */
  readonly chainId?: number;
  /** What is wrong but does not stop the start. */
  readonly warnings: readonly string[];
}

/** Settings that cannot work; `problems` are complete sentences that say what to do. */
export class ExternalsError extends Error {
  override readonly name = 'ExternalsError';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** `host:port` of a URL; the rest may hold a password or an API key. */
function place(url: string, defaultPort: number): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || defaultPort}`;
}

/** Host of a provider URL; keys are in its path or query. */
const providerName = (url: string): string => (URL.canParse(url) ? new URL(url).host : 'an unreadable URL');

/** How long a server of the user's own may take to answer; it may be far away or busy. */
const ANSWER_MS = 10_000;

async function checkServer(
  variable: string,
  url: string,
  schemes: readonly string[],
  defaultPort: number,
  ping: (url: string, timeoutMs: number) => Promise<string | undefined>,
  startHint: string,
): Promise<string | undefined> {
  if (!URL.canParse(url) || !schemes.includes(new URL(url).protocol)) {
    return `${variable} is not a URL such as ${schemes[0]}//user:password@127.0.0.1:${defaultPort}.`;
  }
  const problem = await ping(url, ANSWER_MS);
  return problem === undefined
    ? undefined
    : `${variable}: no answer from ${place(url, defaultPort)} (${problem}). ${startHint} or correct the URL, ` +
        `or unset ${variable} to use the embedded server.`;
}

async function checkProviders(
  urls: readonly string[],
  wantedChain: number | undefined,
): Promise<{ problems: string[]; warnings: string[]; chainId: number | undefined }> {
  const problems: string[] = [];
  const warnings: string[] = [];
  const seen = await Promise.all(
    urls.map(async (url, index) => {
      if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
        problems.push(
          `RPC_URLS: item ${index + 1} is not an http or https URL. Give URLs separated by commas, ` +
            'for example RPC_URLS=https://rpc.example.org,https://other.example.org/key.',
        );
        return undefined;
      }
      try {
        return { url, chainId: Number(await rpcCall<string>(url, 'eth_chainId')) };
      } catch (error) {
        const { cause, message } = error as Error & { cause?: NodeJS.ErrnoException };
        warnings.push(
          `RPC_URLS: ${providerName(url)} does not answer eth_chainId (${cause?.code ?? message}).`,
        );
        return undefined;
      }
    }),
  );
  const answering = seen.filter((provider) => provider !== undefined);
  if (answering.length === 0 && problems.length === 0) {
    problems.push(
      ...warnings.splice(0),
      'None of the RPC_URLS answers. Check the URLs and keys, or unset RPC_URLS to use the embedded chain.',
    );
  }
  const chainId = wantedChain ?? answering[0]?.chainId;
  for (const provider of answering) {
    if (provider.chainId !== chainId) {
      problems.push(
        `RPC_URLS: ${providerName(provider.url)} serves chain ${provider.chainId}, not ${chainId} ` +
          `(${wantedChain === undefined ? `as ${providerName(answering[0]?.url ?? '')} does` : 'CHAIN_ID'}). ` +
          'All URLs must serve one chain: remove it or set CHAIN_ID.',
      );
    }
  }
  return { problems, warnings, chainId };
}

/**
 * Reads and tries `DATABASE_URL`, `REDIS_URL`, `RPC_URLS` and `CHAIN_ID`.
 *
 * @throws ExternalsError with everything that is wrong at once
 */
export async function checkExternals(env: NodeJS.ProcessEnv): Promise<Externals> {
  const databaseUrl = env.DATABASE_URL || undefined;
  const redisUrl = env.REDIS_URL || undefined;
  const rpcUrls = env.RPC_URLS
    ? env.RPC_URLS.split(',')
        .map((url) => url.trim())
        .filter((url) => url !== '')
    : undefined;
  const wantedChain = env.CHAIN_ID ? Number(env.CHAIN_ID) : undefined;

  const [database, redis, providers] = await Promise.all([
    databaseUrl === undefined
      ? undefined
      : checkServer(
          'DATABASE_URL',
          databaseUrl,
          ['postgres:', 'postgresql:'],
          5432,
          pingPostgres,
          'Start PostgreSQL',
        ),
    redisUrl === undefined
      ? undefined
      : checkServer('REDIS_URL', redisUrl, ['redis:', 'rediss:'], 6379, pingRedis, 'Start Redis'),
    rpcUrls === undefined ? undefined : checkProviders(rpcUrls, wantedChain),
  ]);
  const problems = [database, redis, ...(providers?.problems ?? [])].filter(
    (problem) => problem !== undefined,
  );
  if (wantedChain !== undefined && !(Number.isSafeInteger(wantedChain) && wantedChain > 0)) {
    problems.unshift(`CHAIN_ID=${env.CHAIN_ID} is not a chain id: give a whole number such as 1 or 31337.`);
  }
  if (env.CONTRACTS_FILE && !existsSync(env.CONTRACTS_FILE)) {
    problems.push(
      `CONTRACTS_FILE=${env.CONTRACTS_FILE} does not exist. Name a manifest that contracts/deploy.ts wrote.`,
    );
  } else if (!env.CONTRACTS_FILE && providers?.chainId !== undefined && providers.chainId !== DEV_CHAIN_ID) {
    problems.push(
      `RPC_URLS serve chain ${providers.chainId}, on which nothing is deployed by itself. Set CONTRACTS_FILE to the ` +
        'manifest of the contracts there (`node contracts/deploy.ts --help` says how to make one).',
    );
  }
  if (problems.length > 0) throw new ExternalsError(problems);
  return {
    warnings: providers?.warnings ?? [],
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
    ...(redisUrl === undefined ? {} : { redisUrl }),
    ...(rpcUrls === undefined ? {} : { rpcUrls }),
    ...(providers?.chainId === undefined ? {} : { chainId: providers.chainId }),
  };
}
