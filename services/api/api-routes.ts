import type { CursorCodec } from '../../lib/cursor.ts';
import type { OpenApiInfo } from '../../lib/http/openapi.ts';
import type { Route } from '../../lib/http/route.ts';
import type { Clock } from '../../lib/time.ts';
import { oauthRoutes } from './clients/oauth-routes.ts';
import { clientRoutes } from './clients/routes.ts';
import type { ClientService } from './clients/service.ts';
import { EXAMPLE_REQUESTS } from './docs/examples.ts';
import type { RunIdempotent, RunIdempotentOutside } from './governance/idempotent.ts';
import { nftRoutes } from './nfts/nft-routes.ts';
import { permissionRoutes } from './nfts/permission-routes.ts';
import type { PermissionService } from './nfts/permission-service.ts';
import { relayRoutes } from './nfts/relay-routes.ts';
import type { RelayService } from './nfts/relay-service.ts';
import { verificationRoutes } from './nfts/verification-routes.ts';
import type { VerificationService } from './nfts/verification-service.ts';
import { offerRoutes } from './offers/routes.ts';
import type { OfferService } from './offers/service.ts';
import { rewardRoutes } from './rewards/routes.ts';
import type { RewardService } from './rewards/service.ts';
import { usageWebhookSchema } from './telemetry/analytics-sink.ts';
import type { Quotas } from './telemetry/quota.ts';
import type { UsageRecorder } from './telemetry/usage-recorder.ts';
import { usageRoutes } from './telemetry/usage-routes.ts';
import type { UsageStore } from './telemetry/usage-store.ts';
import { tokenRoutes } from './tokens/routes.ts';
import type { TokenService } from './tokens/service.ts';
import { tokenRoutesV2 } from './tokens/v2-routes.ts';
import type { PrepareService } from './transactions/prepare-service.ts';
import { transactionRoutes } from './transactions/routes.ts';
import type { TransactionService } from './transactions/service.ts';
import type { SubmissionService } from './transactions/submission-service.ts';
import { walletTransactionRoutes } from './transactions/wallet-routes.ts';
import { walletRoutes } from './wallets/routes.ts';
import type { WalletService } from './wallets/service.ts';

export const API_VERSION = '1.0.0';

/** Everything that routes need; built once in start-api.ts. */
export interface ApiFeatures {
  readonly tokens: TokenService;
  readonly wallets: WalletService;
  readonly transactions: TransactionService;
  readonly submissions: SubmissionService;
  readonly prepare: PrepareService;
  readonly nfts: Parameters<typeof nftRoutes>[0];
  readonly relay: RelayService;
  readonly permissions: PermissionService;
  readonly verification: VerificationService;
  readonly rewards: RewardService;
  readonly offers: OfferService;
  readonly clients: ClientService;
  readonly usage: { store: UsageStore; quotas: Quotas; recorder: UsageRecorder };
  readonly cursors: CursorCodec;
  readonly idempotent: RunIdempotent;
  readonly idempotentOutside: RunIdempotentOutside;
  readonly clock: Clock;
  readonly streamMaxMs: number;
}

/** Every error that a guard can answer with, before any handler runs. */
const GUARD_ERRORS = ['rate_limited'] as const;

/** Every route of the public API. The OpenAPI document is made from this list and nothing else. */
export function apiRoutes(features: ApiFeatures): Route[] {
  const { tokens, wallets, transactions, submissions, prepare, permissions, verification } = features;
  const { rewards, offers, clients, cursors, idempotent, idempotentOutside, clock } = features;
  const rejuveToken = () => tokens.rejuveToken();
  const routes = [
    ...tokenRoutes({ tokens }),
    ...tokenRoutesV2({ tokens }),
    ...walletRoutes({ wallets }),
    ...verificationRoutes({ verification, wallets }),
    ...transactionRoutes({ transactions, submissions, clock, streamMaxMs: features.streamMaxMs }),
    ...walletTransactionRoutes({ prepare, submissions, wallets, idempotentOutside, cursors }),
    ...nftRoutes(features.nfts),
    ...relayRoutes({ relay: features.relay }),
    ...permissionRoutes({ permissions, cursors }),
    ...rewardRoutes({ rewards, rejuveToken, cursors, idempotent, idempotentOutside }),
    ...offerRoutes({ offers, rejuveToken, cursors, idempotent, idempotentOutside }),
    ...clientRoutes({ clients, cursors, idempotent }),
    ...oauthRoutes({ clients }),
    ...usageRoutes({ ...features.usage, clock }),
  ];
  return routes.map((route) => ({ ...route, errors: [...new Set([...route.errors, ...GUARD_ERRORS])] }));
}

export const apiInfo: OpenApiInfo = {
  title: 'Rejuve API',
  version: API_VERSION,
  description:
    'Tokens, NFTs, wallets and transactions of the Rejuve Longevity App. Chain-derived answers say as of which block they hold; amounts are exact decimal strings; errors are RFC 9457 problem documents.',
  examples: EXAMPLE_REQUESTS,
  webhooks: {
    'usage.recorded': {
      summary: 'Requests were made',
      description:
        'Sent to the sink that the operator configured (ANALYTICS_URL), in batches, about callers who did not opt out.',
      body: usageWebhookSchema,
    },
  },
  tags: [
    { name: 'Tokens', description: 'Balances, transfers and the tokens that the platform knows.' },
    { name: 'Wallets', description: 'Wallets that people proved to be theirs.' },
    { name: 'Transactions', description: 'Signed by platform keys, or by people with their own wallets.' },
    { name: 'NFTs', description: 'Identity and product NFTs: status, metadata, verification.' },
    { name: 'Data', description: 'Commitments to health data on the chain; never the data.' },
    { name: 'Permissions', description: 'Who may use which data for what, until when; revocable at once.' },
    { name: 'Rewards', description: 'What RJV can be earned for.' },
    { name: 'Partner offers', description: 'What RJV can be spent on.' },
    { name: 'Usage', description: 'What a caller has used, and its quotas.' },
    { name: 'OAuth', description: 'Access tokens for partners.' },
    { name: 'Clients', description: 'API clients and their credentials; for operators.' },
  ],
};
