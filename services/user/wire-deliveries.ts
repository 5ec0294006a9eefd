import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createTransport } from 'nodemailer';
import { ConfigError } from '../../lib/config.ts';
import { createSafeHttp } from '../../lib/http/safe-http.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import type { Logger } from '../../lib/log.ts';
import { createQueue } from '../../lib/queue.ts';
import type { Random } from '../../lib/random.ts';
import type { Sealer } from '../../lib/sealing.ts';
import type { Clock } from '../../lib/time.ts';
import { createBreaker } from './deliveries/breaker.ts';
import type {
  ChannelSender,
  EmailTarget,
  FcmTarget,
  Notification,
  WebhookTarget,
  WebPushTarget,
} from './deliveries/channel.ts';
import { createEmail } from './deliveries/channels/email.ts';
import { createFcm, fcmCredentialsSchema } from './deliveries/channels/fcm.ts';
import { createWebPush } from './deliveries/channels/web-push.ts';
import { createWebhook } from './deliveries/channels/webhook.ts';
import { createDispatcher } from './deliveries/dispatcher.ts';
import type { RetryPolicy } from './deliveries/rules.ts';
import { deliveryStore } from './deliveries/store.ts';
import { createTargets } from './deliveries/targets.ts';
import { loadVapidKeys } from './deliveries/vapid.ts';
import { createDeliveryWorker, type Job } from './deliveries/worker.ts';
import type { Emails } from './emails/service.ts';
import type { UserMetrics } from './metrics.ts';
import { inboxByIds } from './notifications/inbox-store.ts';
import { CHANNELS, type Channel } from './preferences/schema.ts';
import type { Db, UserPostgres } from './shared/database.ts';
import type { RateLimiter } from './shared/rate-limit.ts';
import type { UserConfig } from './start-user-service.ts';

/** What a sealed one-time message is bound to. */
export const PAYLOAD_PURPOSE = 'delivery-payload';

/** A person's messages per channel and minute; beyond it they wait, they are not dropped. */
const PER_PERSON = { max: 120, windowMs: 60_000 };

/** Minutes to hours for mail, whose servers greylist and repair slowly; seconds to an hour for the rest. */
function retryPolicies(firstDelayMs: number): Record<Channel, RetryPolicy> {
  const quick = { firstDelayMs, factor: 3, maxDelayMs: 3_600_000, maxAttempts: 10 };
  return {
    email: { ...quick, maxDelayMs: 6 * 3_600_000, maxAttempts: 12 },
    push: quick,
    fcm: quick,
    webhook: quick,
  };
}

/** Everything that carries messages out of the house, wired. */
export async function wireDeliveries(deps: {
  config: UserConfig;
  scope: ProcessScope;
  postgres: UserPostgres;
  sealer: Sealer;
  limiter: RateLimiter;
  emails: () => Emails;
  emailOf: (
    db: Db,
    personId: string,
  ) => Promise<{ address: string; blockedReason: string | null } | undefined>;
  personOf: (db: Db, personId: string) => Promise<{ locale: string; timeZone: string } | undefined>;
  clock: Clock;
  random: Random;
  log: Logger;
  counts: UserMetrics;
  /** Flags that hold back a channel. */
  mayLeave?: (channel: Channel) => boolean;
}) {
  const { config, scope, postgres, sealer, limiter, clock, random, log, counts } = deps;
  const appUrl = config.APP_URL ?? config.USER_ISSUER;
  const unsubscribeKey = config.CURSOR_SECRET ?? (config.SERVICE_AUTH_KEYS[0] as { secret: string }).secret;
  const tagOf = (personId: string): Buffer =>
    createHmac('sha256', unsubscribeKey).update(`unsubscribe\n${personId}`).digest().subarray(0, 18);

  // Platform providers are named by us; only what people name is guarded against pointing inwards.
  const guarded = createSafeHttp({ allowPrivate: config.ALLOW_PRIVATE_TARGETS });
  const open = createSafeHttp({ allowPrivate: true });
  scope.defer('http clients', async () => {
    await guarded.close();
    await open.close();
  });
  const vapid = await loadVapidKeys(
    postgres,
    deliveryStore,
    sealer,
    config.VAPID_SUBJECT,
    new Date(clock.now()),
  );

  const senders: {
    email?: ChannelSender<EmailTarget>;
    push: ChannelSender<WebPushTarget>;
    webhook: ChannelSender<WebhookTarget>;
    fcm?: ChannelSender<FcmTarget>;
  } = {
    push: createWebPush({ http: guarded, vapid, clock, random }),
    webhook: createWebhook({ http: guarded, clock }),
  };
  if (config.SMTP_URL) {
    const transport = createTransport({
      url: config.SMTP_URL,
      pool: true,
      maxConnections: config.DELIVERY_CONCURRENCY,
      connectionTimeout: config.EMAIL_TIMEOUT_MS,
      greetingTimeout: config.EMAIL_TIMEOUT_MS,
      socketTimeout: config.EMAIL_TIMEOUT_MS,
    });
    scope.defer('smtp', () => transport.close());
    senders.email = createEmail({
      transport,
      from: config.EMAIL_FROM,
      messageIdDomain: new URL(appUrl).hostname,
      appUrl,
      unsubscribeUrl: (personId) =>
        `${config.USER_ISSUER}/v1/unsubscribe?token=${personId}.${tagOf(personId).toString('base64url')}`,
    });
  } else log.warn('SMTP_URL is not set; e-mail is recorded as not sent');
  if (config.FCM_CREDENTIALS_FILE) {
    const parsed = fcmCredentialsSchema.safeParse(
      JSON.parse(readFileSync(config.FCM_CREDENTIALS_FILE, 'utf8')),
    );
    if (!parsed.success)
      throw new ConfigError('user', [
        { key: 'FCM_CREDENTIALS_FILE', message: 'is not a service account file of Firebase' },
      ]);
    senders.fcm = createFcm({ http: open, credentials: parsed.data, baseUrl: config.FCM_URL, clock });
  }

  const targets = createTargets({
    postgres,
    store: deliveryStore,
    sealer,
    clock,
    random,
    allowPrivate: config.ALLOW_PRIVATE_TARGETS,
  });
  const breaker = createBreaker({ clock, firstPauseMs: config.DELIVERY_BACKOFF_MS, maxPauseMs: 5 * 60_000 });
  const openPayload = (sealed: string) =>
    JSON.parse(sealer.open(PAYLOAD_PURPOSE, sealed)) as Record<string, unknown>;

  const worker = createDeliveryWorker({
    postgres,
    store: deliveryStore,
    senders,
    async findTarget(db, row) {
      if (row.kind === 'code' && row.sealedPayload !== null)
        return { target: { address: String(openPayload(row.sealedPayload).address) }, targetId: undefined };
      if (row.channel === 'email') {
        const email = row.personId === null ? undefined : await deps.emailOf(db, row.personId);
        return email && email.blockedReason === null
          ? { target: { address: email.address }, targetId: undefined }
          : undefined;
      }
      const target = await targets.find(db, row.target);
      return target && target.disabledAt === null
        ? { target: targets.open(target), targetId: target.id }
        : undefined;
    },
    notificationsOf: async (db, ids): Promise<Notification[]> =>
      (await inboxByIds(db, ids)).map((row) => ({
        inboxId: row.id,
        type: row.type,
        stage: row.stage,
        data: row.data,
        occurredAt: row.occurredAt,
      })),
    personOf: deps.personOf,
    openPayload,
    blockAddress: (address, reason) => deps.emails().block(address, reason),
    breaker,
    async throttle(_provider, row) {
      if (row.personId === null || row.priority === 0) return 0;
      try {
        await limiter.take({ name: `deliver-${row.channel}`, ...PER_PERSON }, row.personId);
        return 0;
      } catch (error) {
        const { retryAfterSeconds } = error as { retryAfterSeconds?: number };
        if (retryAfterSeconds === undefined) throw error;
        return retryAfterSeconds * 1000;
      }
    },
    policies: retryPolicies(config.DELIVERY_BACKOFF_MS),
    timeoutMs: { email: config.EMAIL_TIMEOUT_MS, push: 10_000, fcm: 10_000, webhook: 10_000 },
    clock,
    random,
    log,
    onOutcome: (channel, outcome, tookMs, row) =>
      counts.delivered(channel, outcome, tookMs, clock.now() - row.dueAt.getTime()),
  });

  const queueOf = (channel: Channel) => {
    const queue = createQueue<Job>({
      name: `deliver-${channel}`,
      url: config.REDIS_URL,
      prefix: config.REDIS_PREFIX,
      log,
    });
    scope.defer(`queue ${channel}`, () => queue.close());
    return queue;
  };
  const dispatcher = createDispatcher({
    ...(deps.mayLeave ? { mayLeave: deps.mayLeave } : {}),
    postgres,
    store: deliveryStore,
    queues: {
      email: queueOf('email'),
      push: queueOf('push'),
      fcm: queueOf('fcm'),
      webhook: queueOf('webhook'),
    },
    worker,
    concurrency: Object.fromEntries(CHANNELS.map((c) => [c, config.DELIVERY_CONCURRENCY])) as Record<
      Channel,
      number
    >,
    clock,
    log,
    leaseMs: config.DELIVERY_LEASE_MS,
    onFallback: () => counts.queueFallbacks.inc(),
  });

  return {
    targets,
    dispatcher,
    breaker,
    vapidPublicKey: vapid.publicKey,
    /** The person an unsubscribe token was made for. */
    personOfToken(token: string): string | undefined {
      const [personId = '', tag = ''] = token.split('.');
      // Compared as text: lenient decoding would accept several spellings of one tag.
      const given = Buffer.from(tag);
      const right = Buffer.from(tagOf(personId).toString('base64url'));
      return given.length === right.length && timingSafeEqual(given, right) ? personId : undefined;
    },
    /** Queues a one-time code, its contents sealed until they were sent. */
    async sendCode(
      trx: Db,
      mail: {
        personId: string | null;
        address: string;
        purpose: string;
        code: string;
        locale: string;
        expiresAt: Date;
      },
    ): Promise<void> {
      const { personId, address, purpose, code, locale } = mail;
      await deliveryStore.insert(
        trx,
        [
          {
            id: random.uuid(),
            inboxId: null,
            personId,
            kind: 'code',
            channel: 'email',
            target: 'code',
            priority: 0,
            state: 'waiting',
            digest: false,
            reason: null,
            dueAt: new Date(clock.now()),
            sealedPayload: sealer.seal(PAYLOAD_PURPOSE, JSON.stringify({ purpose, code, address, locale })),
          },
        ],
        new Date(clock.now()),
      );
    },
  };
}
