import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';

const frame = (hash: string, stage: string): string =>
  `event: notification\ndata: {"data":{"transactionHash":"${hash}"},"stage":"${stage}"}\n\n`;

let upstream: Server;
let proxy: FaultProxy;
beforeAll(async () => {
  upstream = createServer((req, res) => {
    if (req.url?.includes('/stream')) {
      // Cut where no frame ends, as a network does.
      const text = frame('0xaa', 'pending') + frame('0xbb', 'pending') + frame('0xaa', 'confirmed');
      res.write(text.slice(0, 30));
      res.end(text.slice(30));
      return;
    }
    let body = '';
    req.on('data', (chunk) => {
      body += chunk;
    });
    req.on('end', () => res.end(`${req.method} ${req.url} ${req.headers.authorization ?? ''} ${body}`));
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  proxy = await startFaultProxy(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`);
});
afterAll(async () => {
  await proxy.close();
  await new Promise((resolve) => upstream.close(resolve));
});
beforeEach(() => proxy.set({}));

describe('the fault proxy', () => {
  it('changes nothing by itself', async () => {
    const answer = await fetch(`${proxy.url}/v1/x?y=1`, {
      method: 'POST',
      headers: { authorization: 'Bearer t' },
      body: '{"a":1}',
    });
    expect(await answer.text()).toBe('POST /v1/x?y=1 Bearer t {"a":1}');
    expect(await (await fetch(`${proxy.url}/stream`)).text()).toContain('0xaa');
  });

  it('answers exactly every Nth GET with an error, and leaves transactions alone', async () => {
    proxy.set({ errorEvery: 4 });
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) statuses.push((await fetch(`${proxy.url}/v1/wallets`)).status);
    expect(statuses).toEqual([200, 200, 200, 500, 200, 200, 200, 500]);
    for (let i = 0; i < 8; i++) expect((await fetch(`${proxy.url}/v1/transactions/1`)).status).toBe(200);
  });

  it('makes every answer later', async () => {
    proxy.set({ latencyMs: 120 });
    const from = performance.now();
    await (await fetch(`${proxy.url}/v1/me`)).text();
    expect(performance.now() - from).toBeGreaterThanOrEqual(118);
  });

  it('loses one notification with all its stages, and no other', async () => {
    proxy.set({ loseNotification: true });
    expect(await (await fetch(`${proxy.url}/v1/notifications/stream`)).text()).toBe(frame('0xbb', 'pending'));
  });

  it('is bounded', async () => {
    const answer = await fetch(`${proxy.url}/v1/x`, {
      method: 'POST',
      body: 'x'.repeat(2 * 1024 * 1024),
    }).catch(() => ({ status: 413 }));
    expect(answer.status).toBe(413);
  });
});
