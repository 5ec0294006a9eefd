import { createHmac } from 'node:crypto';
import type { Request } from 'express';
import type { ConfigOf } from '../../lib/config.ts';
import { loadContractsManifest } from '../../lib/contracts-manifest.ts';
import { createCursorCodec } from '../../lib/cursor.ts';
import { AppError } from '../../lib/errors.ts';
import { createHttpApp } from '../../lib/http/app.ts';
import { startServer } from '../../lib/http/server.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import type { Logger } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { migrate } from '../../lib/migrate.ts';
import { createPostgres } from '../../lib/postgres.ts';
import { openFlags } from '../../lib/process-flags.ts';
import { systemRandom } from '../../lib/random.ts';
import { closeRedis, createRedis } from '../../lib/redis.ts';
import { createSealer } from '../../lib/sealing.ts';
import { bearerToken, createServiceAuth } from '../../lib/service-auth.ts';
import { createServiceClient } from '../../lib/service-client.ts';
import { createSigningKeys, fileKeyStore } from '../../lib/signing-keys.ts';
import { type Clock, systemClock } from '../../lib/time.ts';
import { accountRoutes } from './accounts/routes.ts';
import { createAccounts } from './accounts/service.ts';
import { accountStore } from './accounts/store.ts';
import { createHttpSink } from './analytics/http-sink.ts';
import { createAnalytics } from './analytics/outbox.ts';
import { createAccessTokens } from './auth/access-tokens.ts';
import { createChainReader } from './auth/chain-reader.ts';
import { postgresKeyStore } from './auth/key-store.ts';
import { authRoutes, clientOf, tokensJson, tokensSchema } from './auth/routes.ts';
import { coarsePlace } from './auth/rules.ts';
import { createAuth } from './auth/service.ts';
import { stepUpRoutes } from './auth/step-up-routes.ts';
import { authStore } from './auth/store.ts';
import { verifyWalletSignature } from './auth/wallet-signature.ts';
import { publishBusinessMetrics } from './business-metrics.ts';
import type { userConfig } from './config.ts';
import { createPlanner } from './deliveries/planner.ts';
import { deliveryRoutes } from './deliveries/routes.ts';
import { deliveryStore } from './deliveries/store.ts';
import { emailRoutes } from './emails/routes.ts';
import { createEmails, type Emails } from './emails/service.ts';
import { emailStore } from './emails/store.ts';
import { createAudit } from './events/audit.ts';
import { createConsumer } from './events/consumer.ts';
import { createBatchHandler } from './events/handle-batch.ts';
import { withIdentityOwners } from './events/identities.ts';
import { cursorStore } from './events/store.ts';
import { deliveryFlagKey, userFlags } from './flags.ts';
import { createGateway } from './gateway/client.ts';
import { createAssetReader } from './ledger/assets.ts';
import { createHistoryReader } from './ledger/history.ts';
import { ledgerInternalRoutes, noSuchWallet } from './ledger/internal-routes.ts';
import { createReconciler } from './ledger/reconcile.ts';
import { ledgerRoutes } from './ledger/routes.ts';
import { createLedger } from './ledger/service.ts';
import { buildStatements, readStatementRows } from './ledger/statement.ts';
import { ledgerStore } from './ledger/store.ts';
import { createUserMetrics } from './metrics.ts';
import { userMigrations } from './migrations.ts';
import { createHub } from './notifications/hub.ts';
import { inboxStore, toldKeys } from './notifications/inbox-store.ts';
import { addressesOf, noticesOf } from './notifications/matching.ts';
import { notificationRoutes } from './notifications/routes.ts';
import { securityNotice } from './notifications/security.ts';
import { createInbox } from './notifications/service.ts';
import { describeNotice } from './notifications/texts.ts';
import { userInfo } from './openapi-info.ts';
import { loadPartners } from './partners/config.ts';
import { partnerRoutes } from './partners/routes.ts';
import { createPartners } from './partners/service.ts';
import { partnerStore } from './partners/store.ts';
import { preferenceRoutes } from './preferences/routes.ts';
import { CHANNELS } from './preferences/schema.ts';
import { createPreferences } from './preferences/service.ts';
import { preferenceStore } from './preferences/store.ts';
import { profileRoutes } from './profiles/routes.ts';
import { createProfiles } from './profiles/service.ts';
import { profileStore } from './profiles/store.ts';
import { createPayouts } from './rewards/payouts.ts';
import { rewardRoutes } from './rewards/routes.ts';
import { createRewards } from './rewards/service.ts';
import { rewardStore } from './rewards/store.ts';
import { sessionRoutes } from './sessions/routes.ts';
import { createSessions } from './sessions/service.ts';
import { sessionStore } from './sessions/store.ts';
import { USER_SCHEMA } from './shared/database.ts';
import { withDependencyErrors } from './shared/dependency-errors.ts';
import { startLoop } from './shared/loop.ts';
import { createRateLimiter } from './shared/rate-limit.ts';
import { walletRoutes } from './wallets/routes.ts';
import { createWallets } from './wallets/service.ts';
import { walletAuditStore, walletStore } from './wallets/store.ts';
import { wireDeliveries } from './wire-deliveries.ts';

export type UserConfig = ConfigOf<typeof userConfig>;

/** Everything of the user service, wired. @returns where it listens. */
export async function startUserService(
  config: UserConfig,
  scope: ProcessScope,
  log: Logger,
  clock: Clock = systemClock,
): Promise<{ url: string; port: number }> {
  const random = systemRandom(clock);
  const metrics = createMetrics({ service: 'user' });
  const counts = createUserMetrics(metrics);

  const postgres = createPostgres<unknown>({
    url: config.DATABASE_URL,
    schema: USER_SCHEMA,
    log,
    metrics,
    poolMax: config.POSTGRES_POOL_MAX,
  });
  scope.defer('postgres', () => postgres.close());
  await migrate({ pool: postgres.pool, schema: USER_SCHEMA, migrations: userMigrations, log });

  publishBusinessMetrics({ postgres, metrics, clock, log });

  const serviceAuth = createServiceAuth({ self: 'user', keys: config.SERVICE_AUTH_KEYS, clock });
  const gatewayClient = createServiceClient({
    baseUrl: config.GATEWAY_URL,
    audience: 'gateway',
    auth: serviceAuth,
  });
  scope.defer('gateway client', () => gatewayClient.close());
  const gateway = createGateway(gatewayClient);
  if (!config.DATA_KEYS)
    log.warn('DATA_KEYS is not set; secrets in the database are sealed with SERVICE_AUTH_KEYS');
  const sealer = createSealer(config.DATA_KEYS ?? config.SERVICE_AUTH_KEYS, random, 'rejuve-user-service');
  const cursors = createCursorCodec(
    config.CURSOR_SECRET ?? (config.SERVICE_AUTH_KEYS[0] as { secret: string }).secret,
  );
  const multicall = config.CONTRACTS_FILE
    ? loadContractsManifest(config.CONTRACTS_FILE).contracts.Multicall3?.address
    : undefined;

  const redis = createRedis({ url: config.REDIS_URL, log, role: 'limits' });
  scope.defer('redis', () => closeRedis(redis));
  const limiter = createRateLimiter({
    redis,
    prefix: config.REDIS_PREFIX,
    clock,
    onFallback: () => counts.limiterFallbacks.inc(),
  });

  // Ways out of the house
  const flags = openFlags({ config, service: 'user', definitions: userFlags, scope, metrics, clock, log });
  const deliveries = await wireDeliveries({
    mayLeave: (channel) => flags.boolean(deliveryFlagKey(channel), true),
    config,
    scope,
    postgres,
    sealer,
    limiter,
    emails: (): Emails => emails,
    emailOf: emailStore.ofPerson,
    personOf: profileStore.get,
    clock,
    random,
    log,
    counts,
  });
  const emails = createEmails({
    postgres,
    store: emailStore,
    clock,
    random,
    pepper: (config.DATA_KEYS ?? config.SERVICE_AUTH_KEYS)[0]?.secret ?? '',
    send: deliveries.sendCode,
  });

  // People: profiles, preferences, sessions
  const profiles = createProfiles({ postgres, store: profileStore, clock, random });
  const preferences = createPreferences({ postgres, store: preferenceStore, clock });
  const plan = createPlanner({
    store: deliveryStore,
    preferencesOf: preferences.many,
    timeZonesOf: profileStore.timeZones,
    emailsOf: emailStore.ofPeople,
    clock,
    random,
    onPlanned: (channel, state, n) => counts.planned.inc({ channel, state }, n),
  });
  const inbox = createInbox({
    postgres,
    store: inboxStore,
    clock,
    random,
    onChanged: plan,
    onCreated: (type, n) => counts.notifications.inc({ type }, n),
  });
  const sessions = createSessions({
    postgres,
    store: sessionStore,
    clock,
    random,
    onReuse: async (trx, session) => {
      await inbox.apply(trx, [
        securityNotice(
          'refresh-reused',
          session.personId,
          session.id,
          { device: session.device },
          clock.now(),
        ),
      ]);
    },
    onRefresh: (outcome) => counts.refreshes.inc({ outcome }),
  });

  // Chain: cursor, wallets, ledger
  const pinCursor = (trx: Parameters<typeof cursorStore.pin>[0]) => cursorStore.pin(trx, 'main');
  const chainReader = createChainReader(gateway);
  const tokenOf = createAssetReader({
    store: ledgerStore,
    call: (chainId, request) => chainReader(chainId).call(request),
  });
  const ledger = createLedger({
    postgres,
    store: ledgerStore,
    clock,
    ledgerIds: profileStore.ledgerIds,
    ensureAsset: tokenOf,
    onPosted: (kind, n) => counts.ledgerEntries.inc({ kind }, n),
  });
  const wallets = createWallets({
    postgres,
    store: walletStore,
    clock,
    random,
    pinCursor,
    hasOtherWayIn: emails.hasUsable,
    onLinked: async (trx, wallet) => {
      await inbox.apply(trx, [
        securityNotice('wallet-linked', wallet.personId, wallet.id, { wallet: wallet.address }, clock.now()),
      ]);
    },
    onUnlinked: async (trx, wallet) => {
      await ledger.closeWallet(trx, wallet, 'The wallet was unlinked.');
      await inbox.apply(trx, [
        securityNotice(
          'wallet-unlinked',
          wallet.personId,
          wallet.id,
          { wallet: wallet.address },
          clock.now(),
        ),
      ]);
    },
  });

  // Sign-in
  const keys = await createSigningKeys({
    store: config.JWT_KEYS_FILE ? fileKeyStore(config.JWT_KEYS_FILE) : postgresKeyStore(postgres, sealer),
    rotationMs: config.JWT_KEY_ROTATION_MS,
    clock,
    log,
  });
  metrics.gauge({
    name: 'signing_key_expiry_timestamp_seconds',
    help: 'When the key that signs now is retired, seconds since the epoch; +Inf for keys from a file.',
    labels: ['use'],
    collect: (gauge) => gauge.set({ use: 'access tokens' }, keys.current().retiredAt / 1000),
  });
  const accessTokens = createAccessTokens({ keys, issuer: config.USER_ISSUER, clock, random });
  const auth = createAuth({
    postgres,
    store: authStore,
    policy: {
      domains: config.SIWE_DOMAIN ?? [new URL(config.USER_ISSUER).host],
      chainIds: [config.CHAIN_ID],
      uri: config.SIWE_DOMAIN ? `https://${config.SIWE_DOMAIN[0]}` : config.USER_ISSUER,
    },
    clock,
    random,
    accessTokens,
    sessions,
    verifySignature: ({ chainId, ...input }) => verifyWalletSignature(input, chainReader(chainId), multicall),
    findPerson: async (db, address) => (await wallets.find(db, address))?.personId,
    createPerson: profiles.create,
    linkWallet: (trx, personId, proved) => wallets.link(trx, personId, proved, null),
    onSignIn: (method, outcome) => counts.signIns.inc({ method, outcome }),
  });

  const rewards = createRewards({
    postgres,
    store: rewardStore,
    clock,
    random,
    ledgerIds: profileStore.ledgerIds,
    post: ledger.post,
    entryIdOf: ledgerStore.entryIdOf,
    notify: inbox.apply,
    onAward: (_campaign, state) => counts.awards.inc({ state }),
  });
  const payouts = createPayouts({
    postgres,
    store: rewardStore,
    gateway: gatewayClient,
    chainId: config.CHAIN_ID,
    signer: config.REWARD_SIGNER,
    clock,
    random,
    log,
    ledgerIds: profileStore.ledgerIds,
    post: ledger.post,
  });

  const pepper = (config.DATA_KEYS ?? config.SERVICE_AUTH_KEYS)[0]?.secret ?? '';
  const partners = createPartners({
    connectors: config.PARTNERS_FILE ? loadPartners(config.PARTNERS_FILE, process.env) : [],
    postgres,
    store: partnerStore,
    clock,
    random,
    log,
    retryFirstMs: config.DELIVERY_BACKOFF_MS,
    pseudonym: (connector, personId) =>
      createHmac('sha256', pepper).update(`partner\n${connector}\n${personId}`).digest('hex').slice(0, 32),
    notify: inbox.apply,
    onCall: (connector, what, outcome) => counts.partnerCalls.inc({ connector, what, outcome }),
  });
  const analytics = createAnalytics({
    postgres,
    sink: config.ANALYTICS_URL ? createHttpSink(config.ANALYTICS_URL) : undefined,
    pepper,
    consents: async (db, personIds) =>
      new Set(
        [...(await preferences.many(db, personIds))].filter(([, p]) => p.consent.analytics).map(([id]) => id),
      ),
  });

  // Events of the chain
  const handleBatch = createBatchHandler({
    walletsByAddress: walletStore.byAddresses,
    addressesOf,
    enrich: withIdentityOwners,
    tokenOf,
    applyToLedger: ledger.applyEvents,
    noticesOf,
    notify: inbox.apply,
    also: [
      rewards.applyNotices,
      (trx, notices) =>
        analytics.record(
          trx,
          notices
            .filter((n) => n.stage === 'confirmed')
            .map((n) => ({
              personId: n.personId,
              type: n.type,
              data: { symbol: n.data.symbol ?? null },
              at: n.occurredAt,
            })),
        ),
    ],
  });
  const consumer = createConsumer({
    postgres,
    gateway,
    store: cursorStore,
    handle: handleBatch,
    clock,
    random,
    log,
    onApplied: (events) => counts.applied(events, clock.now()),
    onFailure: () => counts.consumerFailures.inc(),
  });
  const history = createHistoryReader({
    postgres,
    gateway,
    ledger,
    claim: walletStore.claimWaiting,
    pinCursor,
    markDone: (trx, id) => walletStore.markHistoryDone(trx, id, new Date(clock.now())),
    log,
  });
  const audit = createAudit({
    postgres,
    gateway,
    nextWallets: walletAuditStore.next,
    toldKeys,
    markAudited: walletAuditStore.mark,
    handle: handleBatch,
    pinCursor: (trx) => cursorStore.lock(trx, 'main'),
    clock,
    log,
    async consumerBlock() {
      const { seq } = await cursorStore.read(postgres.db, 'main');
      const [next] = (await gateway.events({ after: seq, limit: 1, waitSeconds: 0 })).events;
      return next?.blockNumber;
    },
    graceMs: config.AUDIT_GRACE_MS,
    onMissing: (n) => counts.missing.set(n),
  });
  const reconciler = createReconciler({
    postgres,
    gateway,
    readCursor: (db) => cursorStore.read(db, 'main'),
    clock,
    log,
    chainId: config.CHAIN_ID,
    onDrift: (n) => counts.drift.set(n),
  });
  const hub = createHub({
    postgres,
    store: inboxStore,
    databaseUrl: config.DATABASE_URL,
    clock,
    log,
    onDelivered: (rows) => counts.streamed(rows, clock.now()),
  });
  metrics.gauge({
    name: 'notification_streams',
    help: 'Open notification streams.',
    collect: (g) => g.set(hub.size),
  });

  const requireStepUp = async (principal: {
    id: string;
    claims?: Readonly<Record<string, unknown>>;
  }): Promise<void> => {
    const session = await sessions.requireActive(String(principal.claims?.sessionId), principal.id);
    if (!sessions.isSteppedUp(session))
      throw new AppError(
        'step_up_required',
        'Prove who you are again at POST /v1/auth/step-up; it counts for ten minutes.',
      );
  };
  const accounts = createAccounts({
    postgres,
    store: accountStore,
    clock,
    lockPerson: walletStore.lockPerson,
    pinCursor,
    walletsOf: walletStore.ofPerson,
    closeWallet: ledger.closeWallet,
    closings: [],
    ledgerEntries: (personId) => ledger.entries(personId, { limit: 100_000 }),
  });
  /** Limits count by network, never by account: nobody can be locked out by somebody else's attempts. */
  const limitByNetwork = (req: Request, name: string, max: number, windowMs: number): Promise<void> =>
    limiter.take({ name, max, windowMs }, coarsePlace(req.ip));

  // HTTP
  const http = createHttpApp({
    service: 'user',
    version: '1',
    log,
    metrics,
    clock,
    random,
    openapi: userInfo,
    readiness: [{ name: 'postgres', check: (signal) => postgres.ping(signal) }],
    authenticate: {
      async user(req) {
        const token = bearerToken(req.get('authorization'));
        if (token === undefined) return undefined;
        const claims = await accessTokens.verify(token);
        await sessions.requireActive(claims.sessionId, claims.personId);
        return {
          kind: 'user',
          id: claims.personId,
          scopes: new Set(claims.scope.split(' ')),
          claims: { sessionId: claims.sessionId },
        };
      },
      async service(req) {
        const token = bearerToken(req.get('authorization'));
        if (token === undefined) return undefined;
        const { service } = await serviceAuth.verify(token);
        return { kind: 'service', id: service, scopes: new Set() };
      },
    },
    async guard({ route, req }) {
      if (route.path.startsWith('/v1/auth/'))
        await limitByNetwork(req, 'auth', config.AUTH_PER_MINUTE, 60_000);
    },
    routes: [
      ...emailRoutes({
        emails,
        localeOf: async (personId) => (await profiles.get(personId)).locale,
        requireStepUp,
        signIn: (trx, personId, req) => {
          counts.signIns.inc({ method: 'email', outcome: 'known' });
          return sessions.open(trx, { personId, method: 'email', ...clientOf(req) });
        },
        tokensJson: async (opened) => tokensJson(await auth.tokensFor(opened)),
        tokensSchema,
        onConfirmed: async (trx, personId, address) => {
          await inbox.apply(trx, [
            securityNotice(
              'email-confirmed',
              personId,
              `${personId}:${clock.now()}`,
              { domain: address.split('@')[1] },
              clock.now(),
            ),
          ]);
        },
        limitSend: async (req, address) => {
          await limiter.take(
            { name: 'code', max: 5, windowMs: 3_600_000 },
            `${coarsePlace(req.ip)}|${address.toLowerCase()}`,
          );
          await limiter.take({ name: 'code-total', max: 40, windowMs: 86_400_000 }, address.toLowerCase());
        },
        hasWallet: async (personId) => (await wallets.list(personId)).length > 0,
      }),
      ...stepUpRoutes({
        auth,
        markSteppedUp: sessions.markSteppedUp,
        ownsWallet: async (trx, personId, address) =>
          (await wallets.find(trx, address))?.personId === personId,
        sendCode: async (personId) =>
          emails.challenge({ purpose: 'step-up', personId, locale: (await profiles.get(personId)).locale }),
        redeemCode: (personId, input, use) => emails.redeem({ purpose: 'step-up', personId, ...input }, use),
        notOwned: () =>
          new AppError('forbidden', 'This wallet is not linked to the account that is signed in.'),
      }),
      ...rewardRoutes({ rewards, postgres, store: rewardStore, exists: profiles.exists, clock }),
      ...partnerRoutes({ partners, postgres, store: partnerStore, clock }),
      ...accountRoutes({ accounts, requireStepUp }),
      ...deliveryRoutes({
        targets: deliveries.targets,
        postgres,
        store: deliveryStore,
        cursors,
        vapidPublicKey: deliveries.vapidPublicKey,
        requireStepUp,
        ownsNotification: async (personId, id) =>
          (await inboxStore.get(postgres.db, personId, id)) !== undefined,
        unsubscribe: async (token) => {
          const personId = deliveries.personOfToken(token);
          if (personId === undefined) return false;
          const { settings } = await preferences.get(personId);
          const email = { ...settings.channels.email, enabled: false };
          await preferences.put(
            personId,
            { ...settings, channels: { ...settings.channels, email } },
            undefined,
          );
          return true;
        },
        clock,
      }),
      ...authRoutes({ auth, endSession: sessions.endByRefreshToken, jwks: keys.publicJwks }),
      ...profileRoutes(profiles),
      ...preferenceRoutes(preferences),
      ...sessionRoutes(sessions),
      ...ledgerRoutes({
        ledger,
        cursors,
        statements: async (personId, from, to) => {
          const owner = (await profileStore.ledgerIds(postgres.db, [personId])).get(personId);
          return owner === undefined
            ? []
            : buildStatements(await readStatementRows(postgres.db, owner, to), from);
        },
        walletNames: async (personId) =>
          new Map((await wallets.list(personId)).map((w) => [w.id, w.address])),
      }),
      ...ledgerInternalRoutes({
        reconcile: reconciler.pass,
        adjust: ({ personId, address, token, amount, reason, key }) =>
          postgres.transaction(async (trx) => {
            const wallet = await walletStore.get(trx, personId, address);
            const owner = (await profileStore.ledgerIds(trx, [personId])).get(personId);
            if (!wallet || owner === undefined) throw noSuchWallet();
            const assetId = (await tokenOf(trx, wallet.chainId, token)).id;
            const posted = await ledger.post(trx, [
              {
                eventKey: `adjustment:${key}`,
                kind: 'adjustment',
                reason,
                occurredAt: new Date(clock.now()),
                legs: [
                  { account: { kind: 'wallet', owner, reference: wallet.id, assetId }, amount },
                  { account: { kind: 'chain', owner: null, reference: '', assetId }, amount: -amount },
                ],
              },
            ]);
            return posted.fresh[0] === true;
          }),
      }),
      ...notificationRoutes({
        inbox,
        hub,
        clock,
        cursors,
        describe: describeNotice,
        localeOf: async (personId) => (await profiles.get(personId)).locale,
        heartbeatMs: config.SSE_HEARTBEAT_MS,
        requireSession: sessions.requireActive,
        shutdown: scope.signal,
      }),
      ...walletRoutes({
        wallets,
        exists: profiles.exists,
        challenge: (input) => auth.challenge({ purpose: 'link', ...input }),
        link: ({ personId, message, signature, label }) =>
          auth.proveAndUse({ purpose: 'link', personId, message, signature }, (trx, proved) =>
            wallets.link(trx, personId, proved, label),
          ),
        find: (address) => wallets.find(postgres.db, address),
      }),
    ].map(withDependencyErrors),
  });
  const server = await startServer({ listener: http.app, host: config.HOST, port: config.PORT, log, clock });
  scope.defer('http', async () => {
    http.setDraining();
    await server.close(config.DRAIN_TIMEOUT_MS);
  });

  // Loops
  const loop = (
    name: string,
    everyMs: number,
    work: (signal: AbortSignal) => Promise<boolean | undefined>,
  ): void =>
    scope.defer(
      name,
      startLoop({
        name,
        everyMs,
        work,
        clock,
        random,
        log,
        onFailure: () => counts.loopFailures.inc({ loop: name }),
      }),
    );
  const running = (name: string, work: (signal: AbortSignal) => Promise<void>): void => {
    const stop = new AbortController();
    const done = work(stop.signal);
    scope.defer(name, async () => {
      stop.abort(new AppError('draining', 'shutting down'));
      await done;
    });
  };
  if (config.ROLES.includes('http')) running('streams', hub.run);
  if (config.ROLES.includes('events')) {
    running('consumer', consumer.run);
    loop('history', 500, history.readNext);
  }
  if (config.ROLES.includes('delivery')) {
    const stopWork = new AbortController();
    deliveries.dispatcher.work(stopWork.signal);
    scope.defer('delivery workers', () => stopWork.abort(new AppError('draining', 'shutting down')));
    for (const channel of CHANNELS)
      loop(`deliver-${channel}`, 400, () => deliveries.dispatcher.pass(channel));
  }
  if (config.ROLES.includes('jobs')) {
    loop('audit', config.AUDIT_INTERVAL_MS, async (signal) => {
      await audit.pass(signal, 5_000);
      return false;
    });
    loop('payouts', config.PAYOUT_INTERVAL_MS, payouts.pass);
    loop('partner offers', config.PARTNER_REFRESH_MS, async (signal) => {
      await partners.refreshOffers(signal);
      return false;
    });
    loop('partner orders', 1_000, partners.sendOrders);
    loop('analytics', 2_000, analytics.flush);
    loop('reconcile', config.RECONCILE_INTERVAL_MS, async () => {
      await reconciler.pass({ limit: 1_000 });
      return false;
    });
    loop('housekeeping', 60_000, async () => {
      await keys.refresh();
      await auth.prune();
      await emails.prune();
      await sessions.prune();
      return false;
    });
  }
  return { url: server.url, port: server.port };
}
