import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { createCertificateWatch } from '../../lib/certificate-watch.ts';
import { createLogger } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { systemClock } from '../../lib/time.ts';
import { createAuthority } from '../cluster/certificates.ts';

/** A server whose certificate ends soon, and the watch of the gateway looking at it; `url` is what Prometheus scrapes. */
export async function startExpiringCertificate(
  days: number,
): Promise<{ url: string; stop(): Promise<void> }> {
  const { cert, key } = createAuthority('chaos').issue({
    commonName: 'expiring',
    names: ['127.0.0.1'],
    days,
  });
  const tls = createTlsServer({ cert, key });
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  const metrics = createMetrics({ service: 'chaos', processMetrics: false });
  const watch = createCertificateWatch({
    certificates: [
      {
        name: 'expiring-provider',
        source: { url: `https://127.0.0.1:${(tls.address() as AddressInfo).port}` },
      },
    ],
    metrics,
    clock: systemClock,
    log: createLogger({ service: 'chaos', level: 'silent' }),
  });
  await watch.look();
  const http = createHttpServer(async (_req, res) => {
    res.setHeader('content-type', metrics.registry.contentType);
    res.end(await metrics.registry.metrics());
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async stop() {
      await new Promise((resolve) => tls.close(resolve));
      await new Promise((resolve) => http.close(resolve).closeAllConnections());
    },
  };
}
