import { describe, expect, it } from '@jest/globals';
import { createCertificateWatch, speaksTls } from '../../lib/certificate-watch.ts';
import { createLogger } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { systemClock } from '../../lib/time.ts';
import { parseMetrics, sumOf } from '../demo/metrics-text.ts';
import { startExpiringCertificate } from './expiring-certificate.ts';

const DAY = 86_400;

describe('the certificate watch', () => {
  it.each([1, 30])(
    'publishes when the certificate of a server ends, trusted or not: in %s days',
    async (days) => {
      const server = await startExpiringCertificate(days);
      try {
        const samples = parseMetrics(await (await fetch(server.url)).text());
        const left = sumOf(samples, 'certificate_expiry_timestamp_seconds') - Date.now() / 1000;
        expect(left).toBeGreaterThan((days - 0.1) * DAY);
        expect(left).toBeLessThan((days + 0.1) * DAY);
      } finally {
        await server.stop();
      }
    },
  );

  it('counts a server that cannot be reached, and says nothing about its certificate', async () => {
    const metrics = createMetrics({ service: 'test', processMetrics: false });
    const watch = createCertificateWatch({
      certificates: [{ name: 'gone', source: { url: 'https://127.0.0.1:1' } }],
      metrics,
      clock: systemClock,
      log: createLogger({ service: 'test', level: 'silent' }),
    });
    await watch.look();
    const samples = parseMetrics(await metrics.registry.metrics());
    expect(sumOf(samples, 'certificate_look_failures_total')).toBe(1);
    expect(samples.filter(({ name }) => name === 'certificate_expiry_timestamp_seconds')).toEqual([]);
  });

  it('looks only at what speaks TLS from the first byte', () => {
    expect(['https://a', 'wss://a', 'rediss://a'].every(speaksTls)).toBe(true);
    expect(['http://a', 'redis://a', 'nonsense'].some(speaksTls)).toBe(false);
  });
});
