import { expectThat } from '../demo-failure.ts';
import { eventually } from '../eventually.ts';
import { createHttpClient } from '../http-client.ts';
import { parseMetrics, type Sample, sumOf } from '../metrics-text.ts';
import type { Step, Story } from '../story.ts';

/** Name of the stack's child → name of its URL. */
const SERVICES = {
  gateway: 'gateway',
  'gateway-worker': 'gatewayWorker',
  'gateway-indexer': 'gatewayIndexer',
  api: 'api',
  user: 'user',
} as const;

/** Services notice within a readiness check's own deadline of 2 s, and some. */
const NOTICE_MS = 8_000;
/** Embedded Postgres starts in about a second; then every pool connects again. */
const RECOVER_MS = 20_000;

/** 8. Metrics of every service show the story; readiness follows Postgres down and up again by itself. */
export const operationsStep: Step = {
  id: 'operations',
  title: 'Metrics show it; readiness follows Postgres',
  needs: ['notification', 'provider-outage'],
  async run(story) {
    const shown = await checkMetrics(story);
    const { state, control } = story.stack;
    expectThat(
      state.children.postgres,
      'an embedded Postgres that can be cut off (run `make up` without DATABASE_URL)',
      Object.keys(state.children).join(', '),
    );
    const clients = Object.entries(SERVICES).map(([service, url]) =>
      createHttpClient({ baseUrl: story.stack.url(url), service, signal: story.signal }),
    );

    const putBack = story.cleanup.add('Postgres', () =>
      control.child('postgres', 'start').then(() => undefined),
    );
    const cutAt = performance.now();
    await control.child('postgres', 'stop');
    await Promise.all(clients.map((client) => readinessBecomes(503, client, NOTICE_MS, story.signal)));
    const noticedAfter = performance.now() - cutAt;

    const backAt = performance.now();
    await putBack();
    await Promise.all(clients.map((client) => readinessBecomes(200, client, RECOVER_MS, story.signal)));
    const recoveredAfter = performance.now() - backAt;
    return {
      did:
        `${shown}; without Postgres /readyz of ${clients.length} services was 503 after ` +
        `${Math.round(noticedAfter)} ms, and 200 again ${Math.round(recoveredAfter)} ms after its return`,
      look: `${story.stack.url('api')}/readyz`,
    };
  },
};

type HttpClientOf = ReturnType<typeof createHttpClient>;

function readinessBecomes(
  status: number,
  client: HttpClientOf,
  withinMs: number,
  signal: AbortSignal,
): Promise<true> {
  return eventually(
    { expected: `${client.baseUrl}/readyz to answer ${status}`, withinMs, signal },
    async () => {
      await client.get('/readyz', { expect: status });
      return true as const;
    },
  );
}

async function checkMetrics(story: Story): Promise<string> {
  const entries = await Promise.all(
    Object.entries(SERVICES).map(async ([service, url]) => {
      const client = createHttpClient({ baseUrl: story.stack.url(url), service, signal: story.signal });
      const { body } = await client.get('/metrics', { headers: { accept: 'text/plain' } });
      return [service, parseMetrics(String(body))] as const;
    }),
  );
  const samples = Object.fromEntries(entries) as Record<keyof typeof SERVICES, Sample[]>;
  const counts = STORY_METRICS.map(({ service, name, labels, what }) => {
    const value = sumOf(samples[service], name, labels);
    expectThat(value > 0, `${name} of ${service} to show ${what}`, value, service);
    return `${value} ${what}`;
  });
  return `${entries.length} services scraped: ${counts.join(', ')}`;
}

/** What the story must have left in the metrics. */
const STORY_METRICS: readonly {
  service: keyof typeof SERVICES;
  name: string;
  labels?: Record<string, string>;
  what: string;
}[] = [
  { service: 'user', name: 'sign_ins_total', labels: { outcome: 'new' }, what: 'new people' },
  { service: 'gateway', name: 'rpc_calls_total', what: 'JSON-RPC calls' },
  { service: 'gateway-worker', name: 'gateway_transactions_included_total', what: 'transactions in blocks' },
  { service: 'gateway-indexer', name: 'gateway_events_appended_total', what: 'chain events' },
  {
    service: 'user',
    name: 'notifications_created_total',
    labels: { type: 'transfer.in' },
    what: 'transfers told',
  },
  { service: 'api', name: 'http_request_duration_seconds_count', what: 'requests at the API' },
];
