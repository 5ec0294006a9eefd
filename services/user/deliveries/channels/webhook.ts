import type { SafeHttp } from '../../../../lib/http/safe-http.ts';
import { webhookHeaders } from '../../../../lib/standard-webhooks.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { ChannelSender, WebhookTarget } from '../channel.ts';
import { outcomeOfAnswer, outcomeOfFailure } from './http-outcome.ts';

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
            'user-agent': 'Rejuve-Webhooks/1',
            ...webhookHeaders({
              id: message.id,
              timestampSeconds: timestamp,
              body,
              secrets: secrets.map(({ secret }) => secret),
            }),
          },
        });
        return outcomeOfAnswer(answer, [410], clock.now());
      } catch (error) {
        return outcomeOfFailure(error);
      }
    },
  };
}
