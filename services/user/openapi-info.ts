import { z } from 'zod';
import type { OpenApiInfo } from '../../lib/http/openapi.ts';

/** What a person's own webhook is sent: thin, the details are read after sign-in. */
export const notificationWebhookSchema = z
  .object({
    type: z.enum(['notification.created', 'notification.reverted']),
    timestamp: z.iso.datetime(),
    data: z.object({
      id: z.string().describe('Read it at /v1/notifications/{id}'),
      type: z.string().describe('Kind of notification, such as transfer.received'),
    }),
  })
  .meta({ id: 'NotificationWebhook' });

/** What the user service's OpenAPI document says besides its routes. */
export const userInfo = {
  title: 'User service',
  version: '1.0.0',
  description: 'Sign-in, profiles, ledger and notifications. Errors are RFC 9457 problem documents.',
  webhooks: {
    notification: {
      summary: 'There is a notification',
      description:
        'Sent to the webhooks that a person registered. It says that there is something and not what: no health data and no amounts leave in a push.',
      body: notificationWebhookSchema,
    },
  },
} as const satisfies OpenApiInfo;
