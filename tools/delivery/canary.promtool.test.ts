import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DURATION_BUCKETS } from '../../lib/slo/buckets.ts';
import { type Prometheus, startPrometheus } from '../monitoring/prometheus.ts';
import { judgeCanary } from './canary-judge.ts';
import { compareTracks } from './canary-prometheus.ts';

/** What both tracks of the API tell a scraper: every request good on the stable one, a tenth bad on the canary. */
let requests = 0;
const track = (name: string, share: number, failing: number): string => {
  const total = Math.round(requests * share);
  const bad = Math.round(total * failing);
  const labels = (status: string) =>
    `service="api",namespace="n",track="${name}",method="GET",route="/v1/tokens",status="${status}"`;
  const series = (status: string, count: number) =>
    [
      ...DURATION_BUCKETS.map(
        (le) => `http_request_duration_seconds_bucket{${labels(status)},le="${le}"} ${count}`,
      ),
      `http_request_duration_seconds_bucket{${labels(status)},le="+Inf"} ${count}`,
      `http_request_duration_seconds_count{${labels(status)}} ${count}`,
      `http_request_duration_seconds_sum{${labels(status)}} ${count * 0.01}`,
    ].join('\n');
  return `${series('200', total - bad)}\n${series('500', bad)}\n`;
};
const exporter = createServer((_request, response) => {
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  response.end(track('stable', 0.9, 0) + track('canary', 0.1, 0.1));
});

let prometheus: Prometheus;
let traffic: NodeJS.Timeout;
beforeAll(async () => {
  await new Promise<void>((resolve) => exporter.listen(0, '127.0.0.1', resolve));
  traffic = setInterval(() => {
    requests += 200;
  }, 200);
  const { port } = exporter.address() as AddressInfo;
  prometheus = await startPrometheus({ targets: { api: `http://127.0.0.1:${port}` }, everySeconds: 1 });
}, 120_000);
afterAll(async () => {
  clearInterval(traffic);
  await prometheus?.stop();
  exporter.closeAllConnections();
  exporter.close();
});

describe('a real Prometheus', () => {
  it('tells a canary that fails from stable pods that do not, by the objectives themselves', async () => {
    const options = { url: prometheus.url, selector: 'namespace="n"', trackLabel: 'track' };
    const deadline = performance.now() + 60_000;
    let comparisons = await compareTracks('api', 10, options);
    while (comparisons.every(({ canary }) => canary.total < 300) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      comparisons = await compareTracks('api', 10, options);
    }
    const errors = comparisons.find(({ objective }) => objective.id === 'api-errors');
    expect((errors?.canary.bad ?? 0) / (errors?.canary.total ?? 1)).toBeCloseTo(0.1, 1);
    expect(errors?.stable.bad).toBe(0);
    expect((errors?.stable.total ?? 0) / (errors?.canary.total ?? 1)).toBeGreaterThan(5);
    const latency = comparisons.find(({ objective }) => objective.id === 'api-latency');
    expect(latency?.canary.bad).toBeCloseTo(0, 5);
    const { verdict, reasons } = judgeCanary(comparisons, { enough: 100 });
    expect(verdict).toBe('bad');
    expect(reasons.join()).toContain('api-errors');
  }, 90_000);

  it('that is none is an error with its address', async () => {
    const { port } = exporter.address() as AddressInfo;
    await expect(
      compareTracks('api', 10, { url: `http://127.0.0.1:${port}`, selector: '', trackLabel: 'track' }),
    ).rejects.toThrow(/is it a Prometheus/);
    await expect(
      compareTracks('api', 10, { url: 'http://127.0.0.1:1', selector: '', trackLabel: 'track' }),
    ).rejects.toThrow(/does not answer/);
  });
});
