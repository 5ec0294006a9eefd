import type { Express } from 'express';
import { ConfigError } from '../../../lib/config.ts';
import type { Authenticator } from '../../../lib/http/app.ts';
import type { Route } from '../../../lib/http/route.ts';
import type { ProcessScope } from '../../../lib/lifecycle.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import { nearest } from '../../../lib/nearest.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import { createSignerOpener } from '../signers/open-signer.ts';
import type { SignerPoolEntry } from '../signers/signers-file.ts';
import { createAdvisoryLease } from '../store/advisory-lease.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { ContractBook } from '../transactions/contract-book.ts';
import type { TransactionService } from '../transactions/service.ts';
import { createSnetChannelRoutes } from './channel-routes.ts';
import { resolveContract } from './config/resolve-contract.ts';
import { loadSnetFile } from './config/snet-file.ts';
import { createSnet } from './create-snet.ts';
import { mountGrpcWeb } from './grpc-web/mount-grpc-web.ts';
import { createSnetRoutes } from './routes.ts';

/** Digits of the token when it does not say; AGIX, FET on this contract, and RJV have their own. */
const decimalsAbi = '0x313ce567';

/** Opens everything that calls to SingularityNET services need, from SNET_FILE. @throws ConfigError */
export async function openSnet(deps: {
  snetFile: string;
  env: NodeJS.ProcessEnv;
  sealKeys: readonly { kid: string; secret: string }[] | undefined;
  postgres: GatewayPostgres;
  rpc: EthereumRpc;
  book: ContractBook;
  confirmations: number;
  pools: ReadonlyMap<string, SignerPoolEntry>;
  transactions: TransactionService;
  /** Verifies call tokens, when this gateway has them. */
  callTokens: Authenticator | undefined;
  service: Authenticator;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: Metrics;
  scope: Pick<ProcessScope, 'defer'>;
}): Promise<{ routes: Route[]; extend: (app: Express) => void }> {
  const { postgres, book, clock, random, log, scope } = deps;
  const file = loadSnetFile(deps.snetFile, deps.env);
  const wrong = (key: string, message: string) => new ConfigError('gateway', [{ key, message }]);
  if (deps.sealKeys === undefined)
    throw wrong('DATA_KEYS', 'is required with SNET_FILE: it seals daemon tokens');
  const pool = deps.pools.get(file.sender.pool);
  if (!pool) {
    const guess = nearest(file.sender.pool, deps.pools.keys());
    const known = [...deps.pools.keys()].join(', ') || 'none';
    throw wrong(
      'SNET_FILE sender.pool',
      `SIGNERS_FILE has no pool ${file.sender.pool}; ${guess ? `did you mean ${guess}?` : `it has: ${known}`}`,
    );
  }
  if (pool.signers.length !== 1)
    throw wrong(
      'SNET_FILE sender.pool',
      `pool ${file.sender.pool} has ${pool.signers.length} signers; a channel belongs to one address`,
    );
  const signer = await createSignerOpener({ env: deps.env, clock })(file.signer).catch((error: Error) => {
    throw wrong('SNET_FILE signer', error.message);
  });
  const lease = createAdvisoryLease({ pool: postgres.pool, log, clock });
  scope.defer('snet lease', () => lease.close());
  const snet = await createSnet({
    ...deps,
    file,
    signer,
    sealKeys: deps.sealKeys,
    isKeeper: () => lease.hold(`snet-keeper-${book.chainId}`),
  });
  scope.defer('snet', () => snet.close());
  snet.keeper.start();
  const decimals = await readDecimals(deps.rpc, resolveContract(book, file.token, 'token').address);
  return {
    routes: [
      ...createSnetRoutes({ snet, clock, decimals, callTokens: deps.callTokens !== undefined }),
      ...createSnetChannelRoutes({ snet, random, clock }),
    ],
    extend: mountGrpcWeb({
      snet,
      clock,
      authenticate: async (req) => (await deps.callTokens?.(req)) ?? (await deps.service(req)),
    }),
  };
}

/** RJV's own, should the chain not answer while we start. */
const DEFAULT_DECIMALS = 6;

async function readDecimals(rpc: EthereumRpc, token: string): Promise<number> {
  try {
    return Number(
      await rpc.request('eth_call', [{ to: token, data: decimalsAbi }, 'latest'], { principal: 'snet' }),
    );
  } catch {
    // Only for amounts that people read; what is charged is in cogs.
    return DEFAULT_DECIMALS;
  }
}
