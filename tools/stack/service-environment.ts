import { join } from 'node:path';
import type { Ports } from './ports.ts';
import type { SecretFiles, Secrets } from './secrets.ts';

/** Our processes; each name is also the name of its port and of its log. */
export type ServiceName = 'gateway' | 'gateway-worker' | 'gateway-indexer' | 'api' | 'user' | 'console';

export interface ServiceEnvironmentInput {
  readonly ports: Ports;
  readonly secrets: Secrets;
  readonly secretFiles: SecretFiles;
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly rpcUrls: readonly string[];
  readonly chainId: number;
  readonly manifestFile: string;
  readonly signersFile: string | undefined;
  /** SingularityNET services that the gateway offers. */
  readonly snetFile?: string;
  readonly stateDir: string;
  readonly logLevel: string;
  /** OTEL_…, handed on to every process: `OTEL_EXPORTER_OTLP_ENDPOINT=… make up` traces everything. */
  readonly tracing: Readonly<Record<string, string>>;
}

/** The settings of every process of the development stack; the values that a production deployment sets itself. */
export function serviceEnvironments(
  input: ServiceEnvironmentInput,
): Record<ServiceName, Record<string, string>> {
  const { ports, secrets, secretFiles, postgresUrl, redisUrl, rpcUrls, chainId, manifestFile } = input;
  const url = (name: ServiceName): string => `http://127.0.0.1:${ports[name]}`;
  const common = (name: ServiceName): Record<string, string> => ({
    ...input.tracing,
    HOST: '127.0.0.1',
    PORT: `${ports[name]}`,
    LOG_LEVEL: input.logLevel,
    // A developer waits for Ctrl-C; production gives requests in flight longer.
    DRAIN_TIMEOUT_MS: '5000',
    DATABASE_URL: postgresUrl,
    REDIS_URL: redisUrl,
    SERVICE_AUTH_KEYS: secrets.serviceAuthKeys,
    CONTRACTS_FILE: manifestFile,
    CHAIN_ID: `${chainId}`,
  });
  const gateway = (name: ServiceName): Record<string, string> => ({
    ...common(name),
    RPC_URLS: rpcUrls.join(','),
    ...(input.signersFile === undefined ? {} : { SIGNERS_FILE: input.signersFile }),
    // Only this machine reaches it; wallets and scripts may use it without a token.
    RPC_ANONYMOUS: 'true',
    // On a development chain anybody may pay for calls: see docs/call-tokens.md for one to try.
    CALL_TOKEN_PAYERS: '*',
    DATA_KEYS: secrets.dataKeys,
  });
  return {
    gateway: {
      ...gateway('gateway'),
      ...(input.snetFile === undefined ? {} : { SNET_FILE: input.snetFile }),
    },
    'gateway-worker': gateway('gateway-worker'),
    'gateway-indexer': gateway('gateway-indexer'),
    user: {
      ...common('user'),
      GATEWAY_URL: url('gateway'),
      USER_ISSUER: url('user'),
      JWT_KEYS_FILE: secretFiles.jwtKeys,
      DATA_KEYS: secrets.dataKeys,
      CURSOR_SECRET: secrets.cursorSecret,
    },
    api: {
      ...common('api'),
      GATEWAY_URL: url('gateway'),
      USER_URL: url('user'),
      USER_ISSUER: url('user'),
      CURSOR_SECRET: secrets.cursorSecret,
      API_BOOTSTRAP_KEY: secrets.apiKey,
      METADATA_DIR: join(input.stateDir, 'metadata'),
    },
    console: {
      ...only(common('console'), ['HOST', 'PORT', 'LOG_LEVEL', 'DRAIN_TIMEOUT_MS', 'DATABASE_URL']),
      ...input.tracing,
      SERVICE_AUTH_KEYS: secrets.serviceAuthKeys,
      GATEWAY_URL: url('gateway'),
      USER_URL: url('user'),
      API_URL: url('api'),
      CONSOLE_TARGETS: (['gateway', 'gateway-worker', 'gateway-indexer', 'api', 'user', 'console'] as const)
        .map((name) => `${name}=${url(name)}`)
        .join(','),
      CONSOLE_OPERATORS_FILE: secretFiles.consoleOperators,
      // A person looks at it now; production is read less often.
      CONSOLE_SAMPLE_MS: '2000',
      CONSOLE_KUBERNETES: 'off',
    },
  };
}

const only = (env: Record<string, string>, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => names.includes(name)));
