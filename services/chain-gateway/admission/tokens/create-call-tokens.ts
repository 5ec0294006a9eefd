import type { CursorCodec } from '../../../../lib/cursor.ts';
import { AppError } from '../../../../lib/errors.ts';
import type { Authenticator } from '../../../../lib/http/app.ts';
import type { Route } from '../../../../lib/http/route.ts';
import type { ProcessScope } from '../../../../lib/lifecycle.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Metrics } from '../../../../lib/metrics.ts';
import type { Random } from '../../../../lib/random.ts';
import { createSealer } from '../../../../lib/sealing.ts';
import { createSigningKeys } from '../../../../lib/signing-keys.ts';
import type { Clock } from '../../../../lib/time.ts';
import { RPC_ERROR } from '../../rpc/errors.ts';
import { type EthereumRpc, RpcCallError } from '../../rpc/ethereum-rpc.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { createCallLedger } from './call-ledger.ts';
import { createDpopVerifier } from './dpop.ts';
import { createPurse } from './purse.ts';
import { callTokenAuthenticator, createCallTokenRoutes } from './routes.ts';
import { createCallTokenService } from './service.ts';
import { createSpendingAccounts } from './spending-account.ts';
import { createCallTokens } from './token-jwt.ts';
import { callTokenKeyStore } from './token-key-store.ts';
import { createHoldMetrics } from './token-metrics.ts';
import { createTokenPrincipals, type TokenPrincipals } from './token-principal.ts';
import { verifyWallet, type WalletChain } from './verify-wallet.ts';

/** Settings of call tokens, as the configuration names them. */
export interface CallTokenConfig {
  readonly CALL_TOKEN_PAYERS: readonly string[];
  readonly CALL_TOKEN_AUDIENCE: string;
  readonly CALL_TOKEN_ISSUER: string;
  readonly CALL_TOKEN_CONTRACT?: string | undefined;
  readonly CALL_TOKEN_UNIT_PRICE: number;
  readonly CALL_TOKEN_CHUNK: number;
  readonly CALL_TOKEN_KEY_ROTATION_MS: number;
}

export interface CallTokensParts {
  readonly routes: Route[];
  readonly authenticate: Authenticator;
  readonly principals: TokenPrincipals;
}

/** Signing keys are looked at this often: far more often than the hour for which one is published before it signs. */
const KEY_REFRESH_MS = 5 * 60_000;
/** The zero address as asset: the budget is in compute units. */
const COMPUTE_UNITS = `0x${'00'.repeat(20)}`;
/** Revocations remembered for answers that take no hold; older ones are covered by the life of a token. */
const MAX_REVOCATIONS = 50_000;
const DRAIN_ENDINGS_MS = 2_000;

/** Everything of call tokens that runs in the process that answers calls. */
export async function createCallTokenParts(deps: {
  config: CallTokenConfig;
  chainId: number;
  redis: { url: string; prefix: string };
  /** Seals signing keys; `kid:secret` pairs, the first one seals. */
  dataKeys: readonly { kid: string; secret: string }[];
  /** The token contract of the chain: the default asset and verifying contract. */
  tokenContract: string | undefined;
  multicallAddress: string | undefined;
  postgres: GatewayPostgres;
  rpc: EthereumRpc;
  cursors: CursorCodec;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: Metrics;
  scope: Pick<ProcessScope, 'defer'>;
}): Promise<CallTokensParts> {
  const { config, chainId, postgres, clock, random, log, scope } = deps;
  const verifyingContract = config.CALL_TOKEN_CONTRACT ?? deps.tokenContract;
  if (verifyingContract === undefined)
    throw new Error(
      'call tokens need a verifying contract: CALL_TOKEN_CONTRACT, or RejuveToken in CONTRACTS_FILE',
    );
  const purse = createPurse({ ...deps.redis, log });
  scope.defer('call token budgets', () => purse.close());
  const ledger = createCallLedger({ postgres, purse, chunk: config.CALL_TOKEN_CHUNK, random, log });
  const accounts = createSpendingAccounts({
    purse,
    ledger,
    clock,
    log,
    metrics: createHoldMetrics(deps.metrics),
  });
  scope.defer('call token endings', () => accounts.close(DRAIN_ENDINGS_MS));
  // Redis may be away while we start; the first hold asks again.
  await ledger.agree().catch((error) => log.warn({ err: error }, 'call tokens wait for Redis'));

  const keys = await createSigningKeys({
    store: callTokenKeyStore(postgres, createSealer(deps.dataKeys, random, 'rejuve-gateway')),
    rotationMs: config.CALL_TOKEN_KEY_ROTATION_MS,
    clock,
    log,
  });
  const refresh = clock.setInterval(() => void keys.refresh(), KEY_REFRESH_MS);
  scope.defer('call token keys', () => refresh.cancel());
  const tokens = createCallTokens({
    keys,
    issuer: config.CALL_TOKEN_ISSUER,
    audience: config.CALL_TOKEN_AUDIENCE,
    clock,
    random,
  });
  const dpop = createDpopVerifier({ once: (name, ttlMs) => purse.once(name, ttlMs), clock });

  const revocations = new Map<string, number>();
  purse.onRevoked((id, epoch) => {
    if (revocations.size >= MAX_REVOCATIONS) revocations.clear();
    revocations.set(id, epoch);
  });
  const principals = createTokenPrincipals({
    tokens,
    accounts,
    dpop,
    clock,
    revoked: (id, epoch) => (revocations.get(id) ?? 0) > epoch,
  });

  const chain = walletChain(deps.rpc);
  const assets = new Map([[COMPUTE_UNITS, 1]]);
  if (deps.tokenContract !== undefined)
    assets.set(deps.tokenContract.toLowerCase(), config.CALL_TOKEN_UNIT_PRICE);
  const service = createCallTokenService({
    postgres,
    tokens,
    publishRevocation: async (id, epoch) => {
      await purse.revoke(ledger.generation() || (await ledger.agree()), id, epoch);
    },
    verifyWallet: async (input) => {
      try {
        return await verifyWallet(input, chain, deps.multicallAddress);
      } catch (error) {
        throw new AppError(
          'chain_unavailable',
          'The signature cannot be judged: the chain cannot be asked.',
          {
            retryAfterSeconds: 2,
            cause: error,
          },
        );
      }
    },
    chainId,
    verifyingContract,
    audience: config.CALL_TOKEN_AUDIENCE,
    assets,
    payers: new Set(config.CALL_TOKEN_PAYERS.map((payer) => payer.toLowerCase())),
    clock,
    random,
  });
  return {
    routes: createCallTokenRoutes({
      service,
      postgres,
      publicJwks: () => keys.publicJwks(),
      dpop,
      cursors: deps.cursors,
      clock,
    }),
    authenticate: callTokenAuthenticator({
      tokens,
      owns: (token) => principals.owns(token),
      principalOf: (token) => principals.of(token),
      dpop,
    }),
    principals,
  };
}

function walletChain(rpc: EthereumRpc): WalletChain {
  const ask = async (method: string, params: readonly unknown[], signal: AbortSignal): Promise<string> => {
    try {
      const answer = await rpc.request(method, params, { signal });
      return typeof answer === 'string' ? answer : '0x';
    } catch (error) {
      // A revert is the contract's answer; so is an error of the chain itself about running it.
      if (
        error instanceof RpcCallError &&
        (error.code === RPC_ERROR.revert || error.code === RPC_ERROR.transactionRejected)
      )
        throw Object.assign(new Error(error.message, { cause: error }), { reverted: true });
      throw error;
    }
  };
  return {
    call: (request, signal) => ask('eth_call', [request, 'latest'], signal),
    code: (address, signal) => ask('eth_getCode', [address, 'latest'], signal),
  };
}
