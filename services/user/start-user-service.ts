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
import { systemRandom } from '../../lib/random.ts';
import { bearerToken, createServiceAuth } from '../../lib/service-auth.ts';
import { createServiceClient } from '../../lib/service-client.ts';
import { type Clock, systemClock } from '../../lib/time.ts';
import { createAccessTokens } from './auth/access-tokens.ts';
import { createChainReader } from './auth/chain-reader.ts';
import { postgresKeyStore } from './auth/key-store.ts';
import { authRoutes } from './auth/routes.ts';
import { createAuth } from './auth/service.ts';
import { createSigningKeys, fileKeyStore } from './auth/signing-keys.ts';
import { authStore } from './auth/store.ts';
import { verifyWalletSignature } from './auth/wallet-signature.ts';
import type { userConfig } from './config.ts';
import { createAudit } from './events/audit.ts';
import { createConsumer } from './events/consumer.ts';
import { createBatchHandler } from './events/handle-batch.ts';
import { cursorStore } from './events/store.ts';
import { createGateway } from './gateway/client.ts';
import { createAssetReader } from './ledger/assets.ts';
import { createHistoryReader } from './ledger/history.ts';
import { ledgerRoutes } from './ledger/routes.ts';
import { createLedger } from './ledger/service.ts';
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
import { preferenceRoutes } from './preferences/routes.ts';
import { createPreferences } from './preferences/service.ts';
import { preferenceStore } from './preferences/store.ts';
import { profileRoutes } from './profiles/routes.ts';
import { createProfiles } from './profiles/service.ts';
import { profileStore } from './profiles/store.ts';
import { sessionRoutes } from './sessions/routes.ts';
import { createSessions } from './sessions/service.ts';
import { sessionStore } from './sessions/store.ts';
import { USER_SCHEMA } from './shared/database.ts';
import { startLoop } from './shared/loop.ts';
import { createSealer } from './shared/sealing.ts';
import { walletRoutes } from './wallets/routes.ts';
import { createWallets } from './wallets/service.ts';
import { walletAuditStore, walletStore } from './wallets/store.ts';

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
  const sealer = createSealer(config.DATA_KEYS ?? config.SERVICE_AUTH_KEYS, random);
  const cursors = createCursorCodec(
    config.CURSOR_SECRET ?? (config.SERVICE_AUTH_KEYS[0] as { secret: string }).secret,
  );
  const multicall = config.CONTRACTS_FILE
    ? loadContractsManifest(config.CONTRACTS_FILE).contracts.Multicall3?.address
    : undefined;

  // People: profiles, preferences, sessions
  const profiles = createProfiles({ postgres, store: profileStore, clock, random });
  const preferences = createPreferences({ postgres, store: preferenceStore, clock });
  const inbox = createInbox({
    postgres,
    store: inboxStore,
    clock,
    random,
    onChanged: async () => undefined,
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
    hasOtherWayIn: async () => false,
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

  // Events of the chain
  const handleBatch = createBatchHandler({
    walletsByAddress: walletStore.byAddresses,
    addressesOf,
    tokenOf,
    applyToLedger: ledger.applyEvents,
    noticesOf,
    notify: inbox.apply,
    also: [],
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
    graceMs: config.AUDIT_GRACE_MS,
    onMissing: (n) => counts.missing.set(n),
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

  // HTTP
  const http = createHttpApp({
    service: 'user',
    version: '1',
    log,
    metrics,
    clock,
    random,
    openapi: {
      title: 'Rejuve user service',
      version: '1.0.0',
      description: 'Accounts, ledger and notifications.',
    },
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
    routes: [
      ...authRoutes({ auth, endSession: sessions.endByRefreshToken, jwks: keys.publicJwks }),
      ...profileRoutes(profiles),
      ...preferenceRoutes(preferences),
      ...sessionRoutes(sessions),
      ...ledgerRoutes({
        ledger,
        cursors,
        walletNames: async (personId) =>
          new Map((await wallets.list(personId)).map((w) => [w.id, w.address])),
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
    ],
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
  if (config.ROLES.includes('jobs')) {
    loop('audit', config.AUDIT_INTERVAL_MS, async (signal) => {
      await audit.pass(signal, 5_000);
      return false;
    });
    loop('housekeeping', 60_000, async () => {
      await keys.refresh();
      await auth.prune();
      await sessions.prune();
      return false;
    });
  }
  return { url: server.url, port: server.port };
}
