import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Clock } from './time.ts';

/** Certificates change by the week; an hour finds a new one soon enough and costs nobody anything. */
const LOOK_EVERY_MS = 60 * 60_000;
/** A handshake takes milliseconds; this is for a host that is away. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A certificate to watch: of a server we call (https, wss, rediss, postgres with TLS), or in a file we serve with. */
export interface WatchedCertificate {
  /** Label of the series: a configured name such as that of a provider, never an address. */
  readonly name: string;
  readonly source: { readonly url: string } | { readonly file: string };
}

const DEFAULT_PORT: Record<string, number> = { 'https:': 443, 'wss:': 443, 'rediss:': 6379 };

/** True when the URL speaks TLS from the first byte, so that its certificate can be read by a handshake. */
export const speaksTls = (url: string): boolean => URL.canParse(url) && new URL(url).protocol in DEFAULT_PORT;

/**
 * End of validity of the certificate that a server presents, in epoch milliseconds. The certificate is only looked at:
 * one that is expired or not trusted is exactly what must be seen.
 */
export function serverCertificateExpiry(url: string, timeoutMs = HANDSHAKE_TIMEOUT_MS): Promise<number> {
  const { protocol, hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || (DEFAULT_PORT[protocol] ?? 443),
      servername: hostname,
      rejectUnauthorized: false,
      timeout: timeoutMs,
    });
    socket.once('secureConnect', () => {
      const until = Date.parse(socket.getPeerCertificate().valid_to ?? '');
      socket.destroy();
      if (Number.isNaN(until)) reject(new Error(`${hostname} presented no certificate`));
      else resolve(until);
    });
    socket.once('timeout', () => socket.destroy(new Error(`no handshake within ${timeoutMs} ms`)));
    socket.once('error', reject);
  });
}

const expiryOf = async ({ source }: WatchedCertificate): Promise<number> =>
  'url' in source
    ? serverCertificateExpiry(source.url)
    : Date.parse(new X509Certificate(await readFile(source.file)).validTo);

/**
 * Publishes when certificates end, as `certificate_expiry_timestamp_seconds{name}`; alerts fire two weeks and two days
 * before. One that cannot be read keeps its last known end, and is counted.
 */
export function createCertificateWatch(deps: {
  certificates: readonly WatchedCertificate[];
  metrics: Metrics;
  clock: Clock;
  log: Logger;
}): { look(): Promise<void>; start(): { cancel(): void } } {
  const { certificates, metrics, clock, log } = deps;
  const expiry = metrics.gauge({
    name: 'certificate_expiry_timestamp_seconds',
    help: 'End of validity of a certificate that this process depends on, seconds since the epoch.',
    labels: ['name'],
  });
  const failures = metrics.counter({
    name: 'certificate_look_failures_total',
    help: 'Certificates that could not be looked at.',
    labels: ['name'],
  });
  const look = async (): Promise<void> => {
    await Promise.all(
      certificates.map(async (certificate) => {
        const { name } = certificate;
        try {
          expiry.set({ name }, (await expiryOf(certificate)) / 1000);
        } catch (err) {
          failures.inc({ name });
          log.warn({ err, certificate: name }, 'the certificate cannot be looked at');
        }
      }),
    );
  };
  return {
    look,
    start() {
      void look();
      return clock.setInterval(() => void look(), LOOK_EVERY_MS);
    },
  };
}
