import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent, request } from 'undici';

/** Addresses that a URL given by a person must never reach: ours, the host's, the cloud's metadata (RFC 6890 and friends). */
const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  PRIVATE.addSubnet(net, bits, 'ipv4');
/** Of IPv6 only global unicast (2000::/3) is public; within it, what wraps IPv4 or is for documentation is not. */
const GLOBAL_V6 = new BlockList();
GLOBAL_V6.addSubnet('2000::', 3, 'ipv6');
const SPECIAL_V6 = new BlockList();
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  SPECIAL_V6.addSubnet(net, bits, 'ipv6');

/** True for an IP address that belongs to the public internet. */
export function isPublicAddress(ip: string): boolean {
  const family = isIP(ip);
  if (family === 4) return !PRIVATE.check(ip, 'ipv4');
  if (family !== 6) return false;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped) return isPublicAddress(mapped);
  return GLOBAL_V6.check(ip, 'ipv6') && !SPECIAL_V6.check(ip, 'ipv6');
}

/** The URL points where we do not go. */
export class ForbiddenTarget extends Error {
  override readonly name = 'ForbiddenTarget';
}

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/**
 * Checks a URL that a person gave us, as far as it can be checked without asking the DNS.
 * @throws ForbiddenTarget
 */
export function checkTargetUrl(text: string, allowPrivate: boolean): URL {
  if (!URL.canParse(text)) throw new ForbiddenTarget('it is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:'))
    throw new ForbiddenTarget('only https is allowed');
  if (url.username || url.password) throw new ForbiddenTarget('credentials in the URL are not allowed');
  const host = bare(url.hostname);
  if (allowPrivate) return url;
  if (isIP(host) && !isPublicAddress(host)) throw new ForbiddenTarget('the address is not public');
  if (
    !isIP(host) &&
    (!host.includes('.') ||
      /\.(local|localhost|internal|home|lan|corp|test|invalid)$/i.test(host.replace(/\.$/, '')))
  )
    throw new ForbiddenTarget('the host name is not public');
  if (url.port !== '' && url.port !== '443') throw new ForbiddenTarget('only port 443 is allowed');
  return url;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** At most {@link MAX_BODY_BYTES}; the rest is not read. */
  readonly body: string;
}

export interface SafeHttp {
  /** Posts once; redirects are not followed. @throws ForbiddenTarget when the name resolves to a private address. */
  post(
    url: string,
    options: { headers: Record<string, string>; body: string | Buffer; signal: AbortSignal },
  ): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 4_096;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Posts to URLs that people gave us. The address is checked in the very look-up that the connection uses, so a name that
 * answers differently the second time (DNS rebinding) gains nothing.
 */
export function createSafeHttp(options: { allowPrivate: boolean; lookup?: typeof systemLookup }): SafeHttp {
  const { allowPrivate, lookup = systemLookup } = options;
  const guarded: LookupFunction = (hostname, opts, callback) => {
    lookup(hostname, { ...opts, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const list = Array.isArray(addresses) ? addresses : [addresses];
      const bad = allowPrivate ? undefined : list.find(({ address }) => !isPublicAddress(address));
      if (list.length === 0 || bad)
        return callback(new ForbiddenTarget('the name resolves to an address that is not public'), '');
      // Every address is public; hand on exactly those.
      if (opts.all) return callback(null, list as never);
      const [chosen] = list;
      callback(null, chosen?.address ?? '', chosen?.family);
    });
  };
  const agent = new Agent({
    connect: { lookup: guarded, timeout: CONNECT_TIMEOUT_MS },
    connections: 16,
    pipelining: 1,
  });
  return {
    async post(target, { headers, body, signal }) {
      const url = checkTargetUrl(target, allowPrivate);
      const answer = await request(url, {
        method: 'POST',
        headers,
        body,
        signal,
        dispatcher: agent,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      let text = '';
      for await (const chunk of answer.body) {
        text += Buffer.from(chunk).toString('utf8');
        if (text.length >= MAX_BODY_BYTES) {
          answer.body.destroy();
          break;
        }
      }
      return { status: answer.statusCode, headers: answer.headers, body: text.slice(0, MAX_BODY_BYTES) };
    },
    close: () => agent.destroy(),
  };
}

/** Milliseconds that a `Retry-After` header asks for (RFC 9110 section 10.2.3). */
export function retryAfterMs(header: string | string[] | undefined, now: number): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
