import { request } from 'undici';
import { z } from 'zod';
import { verifyWebhook } from '../../../../lib/standard-webhooks.ts';
import {
  type MappingProblem,
  type Offer,
  type OrderNews,
  type PartnerConnector,
  PartnerRefused,
  WEBHOOK_TOLERANCE_MS,
  WebhookRefused,
} from '../connector.ts';

const offerSchema = z.object({
  id: z.string().min(1).max(100),
  name: z.string().min(1).max(200),
  summary: z.string().max(2_000).default(''),
  price: z.object({ amount: z.string().regex(/^\d{1,40}$/), currency: z.string().min(1).max(20) }),
  expires_at: z.iso.datetime({ offset: true }).nullable().optional(),
});
const pageSchema = z.object({ items: z.array(z.unknown()), next: z.string().nullable().optional() });
const orderSchema = z.object({ order_id: z.string().min(1).max(200) });
const eventSchema = z.object({
  type: z.enum(['order.fulfilled', 'order.refused']),
  data: z.object({ order_id: z.string(), reason: z.string().max(500).nullable().optional() }),
});

const MAX_PAGES = 50;

/**
 * A partner with a paginated JSON API, bearer keys, Idempotency-Key, and webhooks by the Standard Webhooks scheme.
 * Stand-in: `services/user/testing/partner-stand-ins.ts`; protocol: docs/partners.md.
 */
export function createRestJsonConnector(options: {
  name: string;
  baseUrl: string;
  apiKey: string;
  webhookSecret: string;
}): PartnerConnector {
  const { name, baseUrl, apiKey, webhookSecret } = options;
  const call = async (
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    body?: unknown,
    headers: Record<string, string> = {},
  ) => {
    const answer = await request(`${baseUrl}${path}`, {
      method,
      signal,
      headers: {
        authorization: `Bearer ${apiKey}`,
        accept: 'application/json',
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      body: body ? JSON.stringify(body) : null,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 400 && answer.statusCode < 500 && ![408, 409, 429].includes(answer.statusCode))
      throw new PartnerRefused(`${name} answered ${answer.statusCode}: ${text.slice(0, 200)}`);
    if (answer.statusCode >= 300) throw new Error(`${name} answered ${answer.statusCode}`);
    return JSON.parse(text) as unknown;
  };
  return {
    name,
    async fetchOffers(signal) {
      const offers: Offer[] = [];
      const problems: MappingProblem[] = [];
      let path: string | null = '/v2/offers';
      for (let page = 0; path !== null && page < MAX_PAGES; page++) {
        const answer: z.output<typeof pageSchema> = pageSchema.parse(await call('GET', path, signal));
        for (const item of answer.items) {
          const parsed = offerSchema.safeParse(item);
          if (!parsed.success) {
            problems.push({
              what: 'offer',
              detail: z.prettifyError(parsed.error).slice(0, 300),
              sample: item,
            });
            continue;
          }
          const { id, name: title, summary, price, expires_at: until } = parsed.data;
          offers.push({
            offerId: id,
            title,
            description: summary,
            price: BigInt(price.amount),
            currency: price.currency,
            availableUntil: until ? new Date(until) : null,
          });
        }
        path = answer.next ? `/v2/offers?after=${encodeURIComponent(answer.next)}` : null;
      }
      return { offers, problems };
    },
    async placeOrder(order, signal) {
      const answer = await call(
        'POST',
        '/v2/orders',
        signal,
        { offer_id: order.offerId, customer: order.buyer },
        { 'idempotency-key': order.id },
      );
      return { reference: orderSchema.parse(answer).order_id };
    },
    readWebhook({ headers, body, now }) {
      const [id, at, given] = [
        headers['webhook-id'],
        headers['webhook-timestamp'],
        headers['webhook-signature'],
      ].map(String);
      if (Math.abs(now - Number(at) * 1000) > WEBHOOK_TOLERANCE_MS || Number.isNaN(Number(at)))
        throw new WebhookRefused('the timestamp is too far from now');
      const text = body.toString('utf8');
      const signed = {
        'webhook-id': id ?? '',
        'webhook-timestamp': at ?? '',
        'webhook-signature': given ?? '',
      };
      if (!verifyWebhook(signed, text, webhookSecret, now / 1000, WEBHOOK_TOLERANCE_MS / 1000))
        throw new WebhookRefused('the signature does not match');
      const parsed = eventSchema.safeParse(JSON.parse(text));
      if (!parsed.success)
        return {
          id: id as string,
          news: [],
          problems: [{ what: 'webhook', detail: z.prettifyError(parsed.error).slice(0, 300), sample: null }],
        };
      const news: OrderNews = {
        reference: parsed.data.data.order_id,
        state: parsed.data.type === 'order.fulfilled' ? 'fulfilled' : 'refused',
        reason: parsed.data.data.reason ?? null,
      };
      return { id: id as string, news: [news], problems: [] };
    },
  };
}
