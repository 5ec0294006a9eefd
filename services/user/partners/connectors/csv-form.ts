import { createHmac, timingSafeEqual } from 'node:crypto';
import { request } from 'undici';
import { parseCsv } from '../../shared/csv.ts';
import {
  type MappingProblem,
  type Offer,
  type OrderNews,
  type PartnerConnector,
  PartnerRefused,
  WEBHOOK_TOLERANCE_MS,
  WebhookRefused,
} from '../connector.ts';

const COLUMNS = ['sku', 'title', 'text', 'price', 'valid_until'] as const;

/**
 * A partner of the older kind: one CSV of offers, orders as a signed form, answers as `key=value` lines, and notifications
 * as forms signed with a hex HMAC over `timestamp:body`. Prices are decimal euros.
 */
export function createCsvFormConnector(options: {
  name: string;
  baseUrl: string;
  clientId: string;
  secret: string;
}): PartnerConnector {
  const { name, baseUrl, clientId, secret } = options;
  const mac = (text: string): Buffer => createHmac('sha256', secret).update(text).digest();

  const toOffer = (cells: readonly string[], header: readonly string[]): Offer | MappingProblem => {
    const row = Object.fromEntries(header.map((column, i) => [column, cells[i] ?? ''])) as Record<
      (typeof COLUMNS)[number],
      string
    >;
    const bad = (detail: string): MappingProblem => ({ what: 'offer', detail, sample: row });
    const price = /^(\d{1,12})(?:[.,](\d{1,2}))?$/.exec(row.price);
    if (row.sku === '' || row.title === '') return bad('sku or title is empty');
    if (!price) return bad('price is not a decimal amount');
    const until = row.valid_until === '' ? null : new Date(`${row.valid_until}T23:59:59Z`);
    if (until && Number.isNaN(until.getTime())) return bad('valid_until is not a date');
    return {
      offerId: row.sku,
      title: row.title,
      description: row.text,
      price: BigInt(price[1] + (price[2] ?? '').padEnd(2, '0')),
      currency: 'EUR',
      availableUntil: until,
    };
  };

  return {
    name,
    async fetchOffers(signal) {
      const answer = await request(`${baseUrl}/export/offers.csv?client=${encodeURIComponent(clientId)}`, {
        signal,
      });
      if (answer.statusCode !== 200) throw new Error(`${name} answered ${answer.statusCode}`);
      const [header, ...lines] = [...parseCsv(await answer.body.text())];
      const missing = COLUMNS.filter((column) => !header?.includes(column));
      if (!header || missing.length > 0)
        return {
          offers: [],
          problems: [
            {
              what: 'offers.csv',
              detail: `columns are missing: ${missing.join(', ')}`,
              sample: header ?? null,
            },
          ],
        };
      const mapped = lines.map((cells) => toOffer(cells, header));
      return {
        offers: mapped.filter((m): m is Offer => 'offerId' in m),
        problems: mapped.filter((m): m is MappingProblem => 'what' in m),
      };
    },
    async placeOrder(order, signal) {
      const form = new URLSearchParams({
        client: clientId,
        order: order.id,
        sku: order.offerId,
        buyer: order.buyer,
      });
      form.set('sig', mac(form.toString()).toString('hex'));
      const answer = await request(`${baseUrl}/order.php`, {
        method: 'POST',
        signal,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(`${name} answered ${answer.statusCode}`);
      const fields = new Map(
        text
          .split(/\r?\n/)
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      // It answers 200 for everything; the result is in the text. DUPLICATE: the order is there already, with its number.
      const result = fields.get('result');
      const reference = fields.get('number');
      if ((result === 'OK' || result === 'DUPLICATE') && reference) return { reference };
      if (result === 'REFUSED') throw new PartnerRefused(fields.get('message') ?? 'refused');
      throw new Error(`${name} answered something unknown`);
    },
    readWebhook({ headers, body, now }) {
      const at = String(headers['x-timestamp']);
      const given = Buffer.from(String(headers['x-signature'] ?? ''), 'hex');
      const right = mac(`${at}:${body.toString('utf8')}`);
      if (given.length !== right.length || !timingSafeEqual(given, right))
        throw new WebhookRefused('the signature does not match');
      if (Number.isNaN(Number(at)) || Math.abs(now - Number(at)) > WEBHOOK_TOLERANCE_MS)
        throw new WebhookRefused('the timestamp is too far from now');
      const form = new URLSearchParams(body.toString('utf8'));
      const id = form.get('message') ?? right.toString('hex');
      const reference = form.get('number');
      const status = form.get('status');
      if (reference === null || (status !== 'DONE' && status !== 'CANCELLED'))
        return {
          id,
          news: [],
          problems: [{ what: 'webhook', detail: `unknown status ${status}`, sample: null }],
        };
      const news: OrderNews = {
        reference,
        state: status === 'DONE' ? 'fulfilled' : 'refused',
        reason: form.get('text'),
      };
      return { id, news: [news], problems: [] };
    },
  };
}
