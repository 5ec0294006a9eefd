import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';

/** A certificate and its key, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

interface Issuer extends Certificate {
  readonly commonName: string;
}

// DER (X.690), as much of it as a certificate needs.
const tlv = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const length =
    body.length < 0x80
      ? [body.length]
      : body.length < 0x100
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const sequence = (...parts: Uint8Array[]) => tlv(0x30, ...parts);
const set = (...parts: Uint8Array[]) => tlv(0x31, ...parts);
const integer = (bytes: Uint8Array) =>
  tlv(0x02, (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
const bitString = (bytes: Uint8Array, unused = 0) => tlv(0x03, Buffer.from([unused]), bytes);
const octetString = (bytes: Uint8Array) => tlv(0x04, bytes);
const utf8 = (text: string) => tlv(0x0c, Buffer.from(text));
const boolean = (value: boolean) => tlv(0x01, Buffer.from([value ? 0xff : 0]));
const explicit = (tag: number, ...parts: Uint8Array[]) => tlv(0xa0 | tag, ...parts);
const time = (at: Date) => tlv(0x18, Buffer.from(`${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let value = part >>> 7; value > 0; value >>>= 7) groups.unshift((value & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const name = (commonName: string, organizations: readonly string[]) =>
  sequence(
    ...organizations.map((o) => set(sequence(oid(OID.organization), utf8(o)))),
    set(sequence(oid(OID.commonName), utf8(commonName))),
  );

const extension = (id: string, critical: boolean, value: Uint8Array) =>
  sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));

/** Bits of KeyUsage, most significant first: digitalSignature is bit 0, keyCertSign bit 5. */
const DIGITAL_SIGNATURE = bitString(Buffer.from([0x80]), 7);
const SIGN_CERTIFICATES = bitString(Buffer.from([0x84]), 2);

function altNames(names: readonly string[]): Buffer {
  return sequence(
    ...names.map((entry) => {
      if (isIP(entry) === 0) return tlv(0x82, Buffer.from(entry));
      if (isIP(entry) === 4) return tlv(0x87, Buffer.from(entry.split('.').map(Number)));
      throw new Error(`IPv6 alternative name ${entry} is not supported`);
    }),
  );
}

interface Request {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** Host names and IPv4 addresses of a serving certificate. */
  readonly names?: readonly string[];
  readonly days?: number;
  readonly authority?: boolean;
}

const pem = (label: string, der: Buffer): string =>
  `-----BEGIN ${label}-----\n${(der.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`;

/** Makes a P-256 key and a certificate for it, signed by `issuer` (or by itself). For throw-away clusters only. */
function create(request: Request, issuer?: Issuer): Issuer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  // Five minutes back: a certificate must not be refused because two clocks differ a little.
  const from = new Date(Date.now() - 300_000);
  const until = new Date(Date.now() + (request.days ?? 30) * 86_400_000);
  const extensions = request.authority
    ? [
        extension(OID.basicConstraints, true, sequence(boolean(true))),
        extension(OID.keyUsage, true, SIGN_CERTIFICATES),
      ]
    : [
        extension(OID.keyUsage, true, DIGITAL_SIGNATURE),
        extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
        ...(request.names ? [extension(OID.subjectAltName, false, altNames(request.names))] : []),
      ];
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x40]), randomBytes(15)])),
    algorithm,
    name(issuer?.commonName ?? request.commonName, []),
    sequence(time(from), time(until)),
    name(request.commonName, request.organizations ?? []),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions)),
  );
  const signer: KeyObject | string = issuer?.key ?? privateKey;
  const cert = sequence(body, algorithm, bitString(sign('sha256', body, signer)));
  return {
    commonName: request.commonName,
    cert: pem('CERTIFICATE', cert),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** A certificate authority of its own; what it issues is trusted by nobody else. */
export interface Authority extends Certificate {
  issue(request: Omit<Request, 'authority'>): Certificate;
}

export function createAuthority(commonName: string): Authority {
  const root = create({ commonName, authority: true });
  return { cert: root.cert, key: root.key, issue: (request) => create(request, root) };
}

/** A key pair for signing service-account tokens, PEM. */
export function createSigningKey(): { privateKey: string; publicKey: string } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString(),
  };
}
