import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Special-purpose IPv4 ranges of the IANA registry (RFC 6890 and successors) that the public internet does not route. */
const SPECIAL_V4 = new BlockList();
for (const [network, bits] of [
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
  SPECIAL_V4.addSubnet(network, bits, 'ipv4');

/** Of IPv6 only global unicast (2000::/3) is public; within it, what wraps IPv4 or is for documentation is not. */
const GLOBAL_V6 = new BlockList();
GLOBAL_V6.addSubnet('2000::', 3, 'ipv6');
const SPECIAL_V6 = new BlockList();
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  SPECIAL_V6.addSubnet(network, bits, 'ipv6');

/** True for an IP address of the public internet: the only kind that a stranger's URL may make us connect to. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !SPECIAL_V4.check(address, 'ipv4');
  if (family !== 6) return false;
  // ::ffff:8.8.8.8 is 8.8.8.8 in other clothes.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return isPublicAddress(mapped);
  return GLOBAL_V6.check(address, 'ipv6') && !SPECIAL_V6.check(address, 'ipv6');
}

/** A URL, or the name in it, points where we do not go. */
export class ForbiddenTarget extends Error {
  override readonly name = 'ForbiddenTarget';
}

/**
 * A name look-up for connections to URLs of strangers: it fails with {@link ForbiddenTarget} when a name has any
 * address that is not public. It is the very look-up that the connection uses, so a name that answers differently the
 * second time (DNS rebinding) gains nothing. A URL whose host is an address needs no look-up and is to be checked with
 * {@link checkTargetUrl} or {@link isPublicAddress} before.
 */
export function publicOnlyLookup(
  options: { allowPrivate?: boolean; lookup?: typeof systemLookup } = {},
): LookupFunction {
  const { allowPrivate = false, lookup = systemLookup } = options;
  return (hostname, asked, callback) => {
    lookup(hostname, { ...asked, all: true }, (error, addresses) => {
      if (error) return callback(error, '');
      const list = Array.isArray(addresses) ? addresses : [addresses];
      const bad = allowPrivate ? undefined : list.find(({ address }) => !isPublicAddress(address));
      if (list.length === 0 || bad)
        return callback(new ForbiddenTarget(`${hostname} resolves to an address that is not public`), '');
      if (asked.all) return callback(null, list as never);
      const [chosen] = list;
      callback(null, chosen?.address ?? '', chosen?.family);
    });
  };
}

/** The address of a host without the brackets that a URL puts around IPv6. */
export const bareHost = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

/**
 * Checks a URL that a person gave us, as far as it can be checked without asking the DNS: https, port 443, no
 * credentials, a public host.
 * @throws ForbiddenTarget
 */
export function checkTargetUrl(text: string, allowPrivate: boolean): URL {
  if (!URL.canParse(text)) throw new ForbiddenTarget('it is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:'))
    throw new ForbiddenTarget('only https is allowed');
  if (url.username || url.password) throw new ForbiddenTarget('credentials in the URL are not allowed');
  const host = bareHost(url.hostname);
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
