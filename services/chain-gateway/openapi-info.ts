import { z } from 'zod';
import type { OpenApiInfo } from '../../lib/http/openapi.ts';
import { TRANSACTION_STATES } from './transactions/states.ts';
import { transactionSchema } from './transactions/transaction-schema.ts';

/** What a receiver of transaction webhooks is sent. */
export const transactionWebhookSchema = z
  .object({
    type: z.enum(TRANSACTION_STATES.map((state) => `transaction.${state}` as const)),
    timestamp: z.iso.datetime(),
    data: transactionSchema.describe('The transaction as it was in that state'),
  })
  .meta({ id: 'TransactionWebhook' });

/** What the gateway's OpenAPI document says besides its routes. */
export const gatewayInfo = {
  title: 'Chain gateway',
  version: '1.0.0',
  description:
    'JSON-RPC over several providers, transactions, and the index of the chain; for our own services. Errors are RFC 9457 problem documents.',
  webhooks: {
    'transaction.state': {
      summary: 'A transaction reached a state',
      description:
        'Sent to the `webhookUrl` of the transaction, every state in its order; a later one waits until an earlier one was received or given up.',
      body: transactionWebhookSchema,
    },
  },
} as const satisfies OpenApiInfo;
