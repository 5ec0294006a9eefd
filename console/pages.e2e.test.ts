import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Page } from 'playwright-core';
import { createServiceAuth } from '../lib/service-auth.ts';
import { systemClock } from '../lib/time.ts';
import { missingPrograms } from '../tools/cluster/build.ts';
import { type E2eStack, startE2eStack } from '../tools/demo/testing/e2e-stack.ts';
import { startPrometheus } from '../tools/monitoring/prometheus.ts';
import {
  findChromium,
  NO_CHROMIUM,
  seriousFindings,
  sidewaysPixels,
  startBrowser,
  type TestBrowser,
} from '../tools/testing/browser.ts';
import { type ReceivedSpan, startOtlpReceiver } from '../tools/testing/otlp-receiver.ts';

const executable = findChromium();
const VIEWS = [
  'overview',
  'providers',
  'transactions',
  'notifications',
  'workers',
  'cost',
  'flags',
  'explain',
  'audit',
];
const WAIT = { timeout: 60_000 };

jest.setTimeout(180_000);

if (executable === undefined) console.warn(`pages in a real browser: ${NO_CHROMIUM}`);

(executable === undefined ? describe.skip : describe)('the pages that we serve, in a real browser', () => {
  let platform: E2eStack;
  let browser: TestBrowser;
  let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>;
  let url: string;
  let password: string;

  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = receiver.url;
    [platform, browser] = await Promise.all([startE2eStack(), startBrowser(executable as string)]);
    const { urls, credentials } = platform.access.state;
    url = urls.console as string;
    password = credentials.consolePassword as string;
  }, 480_000);
  afterAll(async () => {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    await browser?.close();
    await platform?.stop();
    await receiver?.close();
  }, 120_000);

  async function signIn(page: Page, name = 'dev'): Promise<void> {
    await page.goto(url);
    await page.fill('#name', name);
    await page.fill('#password', password);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.verdict h1', WAIT);
  }

  const show = async (page: Page, view: string): Promise<void> => {
    await page.evaluate(`location.hash = '#/${view}'`);
    await page.waitForSelector(`nav a[aria-current="page"][href="#/${view}"]`, WAIT);
    await page.waitForFunction(
      "!document.querySelector('main').textContent.includes('Loading …')",
      undefined,
      WAIT,
    );
  };

  const gatewayGet = async (path: string): Promise<Record<string, never>> => {
    const answer = await fetch(`${platform.access.state.urls.gateway}${path}`, {
      headers: { authorization: `Bearer ${await serviceToken()}` },
    });
    return (await answer.json()) as Record<string, never>;
  };
  const serviceToken = (): Promise<string> => {
    const [kid = '', secret = ''] = (platform.access.state.credentials.serviceAuthKeys as string).split(':');
    return createServiceAuth({ self: 'tools', keys: [{ kid, secret }], clock: systemClock }).sign('gateway');
  };

  it('refuses a wrong password in words, and shows what runs after the right one', async () => {
    const { page, context, problems } = await browser.open();
    await page.goto(url);
    await page.fill('#name', 'dev');
    await page.fill('#password', 'not the password');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]:not([hidden])', WAIT);
    expect(await page.textContent('[role=alert]')).toContain('name or the password is wrong');
    await signIn(page);
    await page.waitForFunction("document.querySelectorAll('.cards .card').length >= 6", undefined, WAIT);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/' });
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(problems).toEqual([]);
    await context.close();
  });

  it.each([
    ['light, wide', { dark: false, width: 1280 }],
    ['dark, phone', { dark: true, width: 390 }],
  ])('passes axe and never scrolls sideways: %s', async (_, options) => {
    const { page, context, problems } = await browser.open(options);
    await page.goto(url);
    await page.waitForSelector('#name', WAIT);
    expect(await seriousFindings(page)).toEqual([]);
    await signIn(page);
    for (const view of VIEWS) {
      await show(page, view);
      // The parts are the same in both: what axe judges by the layout is looked at where the layout differs most.
      const judged = !options.dark || ['overview', 'transactions', 'explain'].includes(view);
      expect({ view, findings: judged ? await seriousFindings(page) : [] }).toEqual({ view, findings: [] });
      expect({ view, sideways: (await sidewaysPixels(page)) <= 0 }).toEqual({ view, sideways: true });
    }
    expect(problems).toEqual([]);
    await context.close();
  });

  it('takes a provider out of traffic and back with the keyboard alone, and writes both down', async () => {
    const { page, context } = await browser.open();
    await signIn(page);
    await show(page, 'providers');
    const press = async (label: string): Promise<void> => {
      await page.waitForSelector(`button[aria-label="${label}"]`, WAIT);
      // As far as Tab gets there, so does everybody who has no mouse.
      for (let i = 0; i < 80; i++) {
        await page.keyboard.press('Tab');
        if ((await page.evaluate("document.activeElement.getAttribute('aria-label')")) === label) break;
      }
      await page.keyboard.press('Enter');
      await page.waitForSelector('dialog[open]', WAIT);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
    };
    await press('Cordon beta');
    await page.waitForSelector('button[aria-label="Uncordon beta"]', WAIT);
    const cordoned = async (): Promise<unknown> =>
      (
        (await gatewayGet('/internal/providers')) as unknown as {
          providers: { id: string; cordonedBy: string | null }[];
        }
      ).providers.find(({ id }) => id === 'beta')?.cordonedBy;
    expect(await cordoned()).toBe('console');
    await press('Uncordon beta');
    await page.waitForSelector('button[aria-label="Cordon beta"]', WAIT);
    expect(await cordoned()).toBeNull();
    await show(page, 'audit');
    await page.waitForSelector('#audit-list tbody tr', WAIT);
    const log = (await page.textContent('#audit-list')) ?? '';
    expect(log).toContain('provider cordon');
    expect(log).toContain('provider uncordon');
    await context.close();
  });

  it('lets a viewer look and nothing else', async () => {
    const { page, context } = await browser.open();
    await signIn(page, 'viewer');
    await show(page, 'providers');
    await page.waitForSelector('button[aria-label="Cordon alpha"]', WAIT);
    expect(await page.isDisabled('button[aria-label="Cordon alpha"]')).toBe(true);
    const status = await page.evaluate(`(async () => {
      const { csrf } = await (await fetch('/api/session')).json();
      const act = (headers) => fetch('/api/providers/alpha/cordon', { method: 'POST', headers }).then((a) => a.status);
      return [await act({ 'x-csrf-token': csrf }), await act({})];
    })()`);
    expect(status).toEqual([403, 403]);
    await context.close();
  });

  it('speeds a stuck transaction up, and one trace leads from the click to the provider', async () => {
    const { chain, gateway } = platform.access.state.urls;
    const rpc = (method: string, params: unknown[]) =>
      fetch(chain as string, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      });
    await rpc('evm_setIntervalMining', [0]);
    try {
      const answer = await fetch(`${gateway}/v1/transactions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await serviceToken()}`,
          'content-type': 'application/json',
          'idempotency-key': 'console-e2e',
        },
        body: JSON.stringify({
          ...{ chainId: platform.access.state.chainId, signer: 'treasury', contract: 'RejuveToken' },
          ...{ function: 'transfer', args: ['0x00000000000000000000000000000000000A11cE', '1'] },
          ...{ purpose: 'console test', requestedBy: 'console-e2e' },
        }),
      });
      const { id } = (await answer.json()) as { id: string };
      expect(answer.status).toBe(202);

      const { page, context } = await browser.open();
      await signIn(page);
      await show(page, 'transactions');
      const row = `tr[data-key="${id}"]`;
      await page.click(`${row} button[data-action="speed up transaction"]`, WAIT);
      await page.click('dialog[open] button[value=yes]');
      await page.waitForSelector('.toast.good', WAIT);

      const isClick = ({ name }: ReceivedSpan): boolean => name === 'click speed up transaction';
      const sent = ({ name }: ReceivedSpan): boolean => name === 'eth_sendRawTransaction provider';
      const spans = await receiver.until((all) => {
        const click = all.find(isClick);
        return click !== undefined && all.some((span) => sent(span) && span.traceId === click.traceId);
      }, 45_000);
      const click = spans.find(isClick) as ReceivedSpan;
      const trace = spans.filter(({ traceId }) => traceId === click.traceId);
      const services = new Set(trace.map(({ service }) => service));
      expect(services).toEqual(new Set(['console-browser', 'console', 'gateway', 'gateway-worker']));
      const kinds = new Set(
        trace.map(({ attributes }) => attributes['db.system.name'] ?? attributes['messaging.system']),
      );
      expect([...kinds]).toEqual(expect.arrayContaining(['postgresql', 'bull']));
      // Every span hangs together: the parent of each is there, up to the click.
      const byId = new Map(trace.map((span) => [span.spanId, span]));
      let span = trace.find(sent) as ReceivedSpan | undefined;
      const path: string[] = [];
      while (span !== undefined) {
        path.unshift(`${span.service} ${span.name}`);
        span = span.parentSpanId === undefined ? undefined : byId.get(span.parentSpanId);
      }
      expect(path[0]).toBe('console-browser click speed up transaction');
      expect(path.at(-1)).toBe('gateway-worker eth_sendRawTransaction provider');

      await page.click(`${row} a`);
      await page.waitForSelector('.timeline li', WAIT);
      expect(await page.textContent('.timeline')).toMatch(/speed/i);
      await context.close();
    } finally {
      await rpc('evm_setIntervalMining', [2]);
    }
  });

  it('explains a request by its id', async () => {
    const { gateway, rpc } = platform.access.state.urls;
    expect(gateway).toBeDefined();
    const id = 'why-was-this-slow';
    await fetch(rpc as string, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': id },
      body: JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: 'eth_getBalance' },
        params: ['0x0000000000000000000000000000000000000042', 'latest'],
      }),
    });
    const { page, context } = await browser.open();
    await signIn(page);
    await show(page, 'explain');
    await page.fill('#explain-id', id);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.waterfall li', WAIT);
    const text = (await page.textContent('#explanation')) ?? '';
    expect(text).toContain('eth_getBalance');
    expect(text).toMatch(/attempt/);
    await page.fill('#explain-id', 'nobody-knows-this');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#explanation .trouble', WAIT);
    await context.close();
  });

  it('measures real visits: a thrown error and a slow page become Prometheus series', async () => {
    // The real one where it is built already; building it takes minutes and is not this test's business.
    const prometheus =
      missingPrograms(['prometheus']).length === 0
        ? await startPrometheus({ targets: { console: url }, everySeconds: 1 })
        : undefined;
    const { page, context } = await browser.open();
    await page.route('**/assets/main.ts', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 3_200));
      await route.continue();
    });
    await signIn(page);
    await page.evaluate("setTimeout(() => { throw new TypeError('thrown by the test'); }, 0)");
    await page.click('h1');
    // Leaving the page is when a browser knows its largest paint.
    await page.waitForTimeout(1_500);
    await page.goto('about:blank');
    await page.waitForTimeout(1_500);
    await context.close();

    const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
    const deadline = Date.now() + 20_000;
    while (!/web_errors_total\{kind="TypeError"/.test(await metrics()) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 250));
    const text = await metrics();
    expect(text).toMatch(/web_errors_total\{kind="TypeError",view="overview",service="console"\} 1/);
    const below = (vital: string, le: string): number =>
      [
        ...text.matchAll(
          new RegExp(`web_vital_seconds_bucket\\{le="${le}",[^}]*vital="${vital}"[^}]*\\} (\\d+)`, 'g'),
        ),
      ].reduce((sum, [, count]) => sum + Number(count), 0);
    // The first paint waits for the scripts: at least one visit took longer than the 2.5 s that count as good.
    const slow = below('lcp', '\\+Inf') - below('lcp', '2.5') + below('fcp', '\\+Inf') - below('fcp', '1.8');
    expect(slow).toBeGreaterThan(0);
    if (prometheus === undefined) return;
    try {
      const value = async (query: string): Promise<number> =>
        Number((await prometheus.query(query))[0]?.value[1] ?? Number.NaN);
      const until = Date.now() + 20_000;
      while (!((await value('sum(web_errors_total{kind="TypeError",view="overview"})')) >= 1)) {
        if (Date.now() > until) throw new Error('Prometheus has not seen the error');
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      const slower =
        'sum(web_vital_seconds_count{vital=~"lcp|fcp"}) - sum(web_vital_seconds_bucket{vital=~"lcp|fcp",le="2.5"})';
      expect(await value(slower)).toBeGreaterThan(0);
      // An example of a trace stands beside what the console's own requests took.
      expect((await (await fetch(`${url}/metrics`)).text()).includes('# {trace_id="')).toBe(true);
    } finally {
      await prometheus.stop();
    }
  });

  describe('the documentation portal', () => {
    const api = (): string => platform.access.state.urls.api as string;

    it.each([
      ['light, wide', { dark: false, width: 1280 }],
      ['dark, phone', { dark: true, width: 390 }],
    ])('passes axe and never scrolls sideways: %s', async (_, options) => {
      const { page, context, problems } = await browser.open(options);
      for (const path of [
        '',
        '/guides/first-call',
        '/guides/webhooks',
        '/errors',
        '/scopes',
        '/reference/api',
      ]) {
        await page.goto(`${api()}/docs${path}`);
        // A reference repeats one template a hundred times; axe needs a minute for all of them.
        await page.evaluate(
          "document.querySelectorAll('.operation').forEach((one, index) => { if (index > 5) one.remove(); })",
        );
        expect({ path, findings: await seriousFindings(page) }).toEqual({ path, findings: [] });
        expect({ path, sideways: (await sidewaysPixels(page)) <= 0 }).toEqual({ path, sideways: true });
      }
      expect(problems).toEqual([]);
      await context.close();
    });

    it('finds an operation by typing, and leads to it with the keyboard', async () => {
      const { page, context } = await browser.open();
      await page.goto(`${api()}/docs`);
      await page.keyboard.press('/');
      await page.keyboard.type('list tokens');
      await page.waitForSelector('#results:not([hidden]) a', WAIT);
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.waitForURL('**/docs/reference/api#listTokens', WAIT);
      await context.close();
    });

    it('lets an operation be tried, with and without a token', async () => {
      const { page, context } = await browser.open();
      await page.goto(`${api()}/docs/reference/api#listTokens`);
      const operation = page.locator('#listTokens');
      await operation.locator('summary', { hasText: 'Try it' }).click();
      await operation.locator('button').click();
      await operation.locator('pre[aria-live]', { hasText: '401' }).waitFor(WAIT);
      await page.fill('#token', platform.access.state.credentials.apiKey as string);
      await operation.locator('button').click();
      await operation.locator('pre[aria-live]', { hasText: '200' }).waitFor(WAIT);
      expect(await operation.locator('pre[aria-live]').textContent()).toContain('RJV');
      await context.close();
    });
  });
});
