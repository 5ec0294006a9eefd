import { createHmac } from 'node:crypto';
import type { Clock } from '../../../../lib/time.ts';
import type { ChannelSender, WebhookTarget } from '../channel.ts';
import type { SafeHttp } from '../safe-http.ts';
import { outcomeOfAnswer, outcomeOfFailure } from './http-outcome.ts';

export const WEBHOOK_SECRET_PREFIX = 'whsec_';

/** One signature of the Standard Webhooks scheme: HMAC-SHA-256 over `id.timestamp.body`. */
export function signWebhook(secret: string, id: string, timestamp: number, body: string): string {
  const key = Buffer.from(secret.slice(WEBHOOK_SECRET_PREFIX.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** A person's own webhook (https://www.standardwebhooks.com): signed, with a stable id, thin. */
export function createWebhook(deps: {
  http: Pick<SafeHttp, 'post'>;
  clock: Pick<Clock, 'now'>;
}): ChannelSender<WebhookTarget> {
  const { http, clock } = deps;
  return {
    providerOf: (target) => `webhook:${new URL(target.url).host}`,
    async send(message, target, signal) {
      const [notification] = message.notifications;
      const timestamp = Math.floor(clock.now() / 1000);
      const body = JSON.stringify({
        type: message.kind === 'reverted' ? 'notification.reverted' : 'notification.created',
        timestamp: new Date(timestamp * 1000).toISOString(),
        data: { id: notification?.inboxId, type: notification?.type },
      });
      const secrets = target.secrets.filter((s) => s.until === null || s.until > clock.now());
      try {
        const answer = await http.post(target.url, {
          signal,
          body,
          headers: {
            'content-type': 'application/json',
            'user-agent': 'Rejuve-Webhooks/1',
            'webhook-id': message.id,
            'webhook-timestamp': String(timestamp),
            'webhook-signature': secrets
              .map((s) => signWebhook(s.secret, message.id, timestamp, body))
              .join(' '),
          },
        });
        return outcomeOfAnswer(answer, [410], clock.now());
      } catch (error) {
        return outcomeOfFailure(error);
      }
    },
  };
}
