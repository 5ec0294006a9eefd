import { createHmac } from 'node:crypto';
import { type Received, startHttpReceiver } from './receivers.ts';

const WEBHOOK_SECRET = `whsec_${Buffer.from('a partner webhook secret of 32 b').toString('base64')}`;
const FORM_SECRET = 'form-secret';

/** Two partners of different shape on real sockets, as docs/partners.md describes their protocols. */
export async function startPartnerStandIns() {
  const http = await startHttpReceiver();
  const state = { failOrders: 0, orders: new Map<string, string>() };
  http.state.answer = (r: Received) => {
    if (r.path.startsWith('/rest/v2/offers')) {
      const second = r.path.includes('after=p2');
      const items = second
        ? [
            { id: 'spa', name: 'Spa day', price: { amount: '2500000', currency: 'RJV' } },
            { id: '', name: 'broken' },
          ]
        : [
            {
              id: 'yoga',
              name: 'Yoga <b>class</b>',
              summary: 'One hour',
              price: { amount: '1000000', currency: 'RJV' },
              expires_at: '2099-01-01T00:00:00Z',
            },
          ];
      return { status: 200, body: JSON.stringify({ items, next: second ? null : 'p2' }) };
    }
    if (r.path === '/rest/v2/orders') {
      if (r.headers.authorization !== 'Bearer rest-key') return { status: 401 };
      const key = String(r.headers['idempotency-key']);
      const known = state.orders.get(key) ?? `R-${state.orders.size + 1}`;
      state.orders.set(key, known);
      // Kept, and the answer lost.
      if (state.failOrders-- > 0) return { status: 503 };
      if (JSON.parse(r.body.toString()).offer_id === 'spa') return { status: 422, body: 'sold out' };
      return { status: 201, body: JSON.stringify({ order_id: known }) };
    }
    if (r.path.startsWith('/old/export/offers.csv'))
      return {
        status: 200,
        body: 'sku,title,text,price,valid_until\r\nBOOK,"A ""good"" book, bound",Reading,"12,50",\r\nBAD,No price,x,free,2030-01-01\r\n',
      };
    if (r.path === '/old/order.php') {
      const form = new URLSearchParams(r.body.toString());
      const sig = form.get('sig');
      form.delete('sig');
      if (sig !== createHmac('sha256', FORM_SECRET).update(form.toString()).digest('hex'))
        return { status: 200, body: 'result=REFUSED\nmessage=bad signature' };
      const order = form.get('order') as string;
      const duplicate = state.orders.has(order);
      const number = state.orders.get(order) ?? `77${state.orders.size}`;
      state.orders.set(order, number);
      return { status: 200, body: `result=${duplicate ? 'DUPLICATE' : 'OK'}\nnumber=${number}` };
    }
    return { status: 404 };
  };
  return {
    http,
    state,
    config: {
      partners: [
        {
          kind: 'rest-json',
          name: 'wellness',
          baseUrl: `${http.url}/rest`,
          apiKey: 'env:WELLNESS_KEY',
          webhookSecret: 'env:WELLNESS_HOOK',
        },
        {
          kind: 'csv-form',
          name: 'books',
          baseUrl: `${http.url}/old`,
          clientId: 'rejuve',
          secret: 'env:BOOKS_SECRET',
        },
      ],
    },
    env: { WELLNESS_KEY: 'rest-key', WELLNESS_HOOK: WEBHOOK_SECRET, BOOKS_SECRET: FORM_SECRET },
    restWebhook(id: string, type: string, orderId: string, at = Math.floor(Date.now() / 1000)) {
      const body = JSON.stringify({ type, data: { order_id: orderId } });
      const key = Buffer.from(WEBHOOK_SECRET.slice(6), 'base64');
      const signature = `v1,${createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64')}`;
      return {
        body,
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(at),
          'webhook-signature': signature,
        },
      };
    },
    formWebhook(message: string, number: string, status: string, at = Date.now()) {
      const body = new URLSearchParams({ message, number, status }).toString();
      const signature = createHmac('sha256', FORM_SECRET).update(`${at}:${body}`).digest('hex');
      return {
        body,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'x-timestamp': String(at),
          'x-signature': signature,
        },
      };
    },
  };
}
