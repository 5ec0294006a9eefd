import {
  createECDH,
  createHash,
  createPrivateKey,
  createSign,
  type KeyObject,
  sign as nodeSign,
} from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { computeAddress, Transaction } from 'ethers';
import fc from 'fast-check';
import { systemClock } from '../../../lib/time.ts';
import { openAwsKmsSigner } from './aws-kms-signer.ts';
import { signAwsRequest } from './aws-signature.ts';
import { crc32c } from './crc32c.ts';
import { addressOfSpki, parseDerSignature, toEthereumSignature } from './der-signature.ts';
import { openGcpKmsSigner } from './gcp-kms-signer.ts';
import { createKeySigner } from './local-signers.ts';
import { createSignerOpener } from './open-signer.ts';
import { SignerUnavailableError, signTransaction } from './signer.ts';

const secretHex = '4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318';
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** The key as a key service holds it. */
function keyObject(): KeyObject {
  const ecdh = createECDH('secp256k1');
  ecdh.setPrivateKey(Buffer.from(secretHex, 'hex'));
  const point = ecdh.getPublicKey();
  const b64 = (bytes: Buffer) => bytes.toString('base64url');
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'secp256k1',
      d: b64(Buffer.from(secretHex, 'hex')),
      x: b64(point.subarray(1, 33)),
      y: b64(point.subarray(33)),
    },
  });
}
const key = keyObject();
const address = computeAddress(`0x${secretHex}`);

/** OpenSSL only signs what it hashed itself; for the stand-in a DER signature of the digest is built from our own signer's numbers. */
async function derOf(digest: Uint8Array, high: boolean): Promise<Buffer> {
  const { r, s } = await createKeySigner(`0x${secretHex}`).signDigest(digest);
  const flip = high ? N - BigInt(s) : BigInt(s);
  const integer = (value: bigint): Buffer => {
    let bytes = Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
    while (bytes.length > 1 && bytes[0] === 0 && ((bytes[1] ?? 0) & 0x80) === 0) bytes = bytes.subarray(1);
    if ((bytes[0] ?? 0) & 0x80) bytes = Buffer.concat([Buffer.from([0]), bytes]);
    return Buffer.concat([Buffer.from([2, bytes.length]), bytes]);
  };
  const body = Buffer.concat([integer(BigInt(r)), integer(flip)]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]);
}
const spki = (): Buffer => {
  const ecdh = createECDH('secp256k1');
  ecdh.setPrivateKey(Buffer.from(secretHex, 'hex'));
  return Buffer.concat([
    Buffer.from('3056301006072a8648ce3d020106052b8104000a034200', 'hex'),
    ecdh.getPublicKey(),
  ]);
};

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
async function serve(
  answer: (req: IncomingMessage, body: string) => Promise<{ status?: number; body: unknown }>,
): Promise<string> {
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => {
      body += chunk;
    });
    req.on('end', async () => {
      const reply = await answer(req, body);
      res
        .writeHead(reply.status ?? 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(reply.body));
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const unsigned = {
  chainId: 31337,
  nonce: 3,
  to: address,
  data: '0x12',
  value: 5n,
  gasLimit: 50_000n,
  maxFeePerGas: 10n,
  maxPriorityFeePerGas: 1n,
};

describe('DER signatures', () => {
  it('become low-s with the parity that recovers the signer, for any digest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.boolean(),
        async (digest, high) => {
          const made = toEthereumSignature(await derOf(digest, high), digest, address);
          expect(BigInt(made.s)).toBeLessThanOrEqual(N / 2n);
          expect(made).toEqual(await createKeySigner(`0x${secretHex}`).signDigest(digest));
        },
      ),
      { numRuns: 60 },
    );
  });
  it('of OpenSSL are read', () => {
    const der = createSign('sha256').update('hello').sign(key);
    const digest = createHash('sha256').update('hello').digest();
    expect(toEthereumSignature(der, digest, address).yParity).toBeGreaterThanOrEqual(0);
    expect(nodeSign('sha256', Buffer.from('x'), key).length).toBeGreaterThan(60);
  });
  it('that are damaged or of another key are refused', async () => {
    const digest = new Uint8Array(32).fill(7);
    const der = await derOf(digest, false);
    expect(() => parseDerSignature(der.subarray(0, der.length - 1))).toThrow('not a DER');
    expect(() => parseDerSignature(Buffer.concat([der, Buffer.from([0])]))).toThrow('not a DER');
    expect(() => toEthereumSignature(der, new Uint8Array(32).fill(8), address)).toThrow('not by the key');
  });
  it('come from keys of the right curve only', () => {
    expect(addressOfSpki(spki())).toBe(address);
    expect(() => addressOfSpki(Buffer.alloc(91))).toThrow('secp256k1');
  });
});

describe('AWS KMS', () => {
  it('requests are signed as the published test vector says', () => {
    const headers = signAwsRequest({
      method: 'GET',
      path: '/',
      headers: { host: 'example.amazonaws.com' },
      body: '',
      region: 'us-east-1',
      service: 'service',
      credentials: {
        accessKeyId: 'AKIDEXAMPLE',
        secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      },
      nowMs: Date.UTC(2015, 7, 30, 12, 36, 0),
    });
    expect(headers.authorization).toContain(
      'Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    );
  });

  it('signs transactions over its wire protocol, and pauses when it is away', async () => {
    let broken = false;
    const endpoint = await serve(async (req, body) => {
      expect(req.headers.authorization).toMatch(
        /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/kms\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target/,
      );
      if (broken) return { status: 400, body: { __type: 'ThrottlingException', message: 'slow down' } };
      const input = JSON.parse(body);
      if (req.headers['x-amz-target'] === 'TrentService.GetPublicKey')
        return { body: { PublicKey: spki().toString('base64'), KeySpec: 'ECC_SECG_P256K1' } };
      expect(input).toMatchObject({
        KeyId: 'alias/treasury',
        MessageType: 'DIGEST',
        SigningAlgorithm: 'ECDSA_SHA_256',
      });
      return {
        body: { Signature: (await derOf(Buffer.from(input.Message, 'base64'), true)).toString('base64') },
      };
    });
    const signer = await openAwsKmsSigner({
      keyId: 'alias/treasury',
      region: 'eu-central-1',
      endpoint,
      credentials: async () => ({ accessKeyId: 'AKID', secretAccessKey: 'secret' }),
      clock: Date,
    });
    expect(signer.address).toBe(address);
    const signed = await signTransaction(signer, unsigned);
    expect(Transaction.from(signed.raw)).toMatchObject({ from: address, nonce: 3, hash: signed.hash });
    broken = true;
    await expect(signTransaction(signer, unsigned)).rejects.toBeInstanceOf(SignerUnavailableError);
  });
});

describe('a key service that is away at the start', () => {
  it('lets the worker start when the address is stated, and signs when it is back', async () => {
    let away = true;
    const endpoint = await serve(async (req, body) => {
      if (away) return { status: 503, body: {} };
      if (req.headers['x-amz-target'] === 'TrentService.GetPublicKey')
        return { body: { PublicKey: spki().toString('base64') } };
      return {
        body: {
          Signature: (await derOf(Buffer.from(JSON.parse(body).Message, 'base64'), true)).toString('base64'),
        },
      };
    });
    const open = createSignerOpener({
      env: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
      clock: systemClock,
    });
    const entry = { type: 'aws-kms' as const, draining: false, keyId: 'k', region: 'eu-central-1', endpoint };
    await expect(open(entry)).rejects.toThrow('AWS KMS');
    const signer = await open({ ...entry, address });
    await expect(signTransaction(signer, unsigned)).rejects.toBeInstanceOf(SignerUnavailableError);
    away = false;
    expect(Transaction.from((await signTransaction(signer, unsigned)).raw).from).toBe(address);
  });
});

describe('Google Cloud KMS', () => {
  const name = 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1';
  const pem = `-----BEGIN PUBLIC KEY-----\n${spki()
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')}\n-----END PUBLIC KEY-----\n`;
  const stand = (damage: boolean, algorithm = 'EC_SIGN_SECP256K1_SHA256') =>
    serve(async (req, body) => {
      expect(req.headers.authorization).toBe('Bearer token-1');
      if (req.url === `/v1/${name}/publicKey`)
        return { body: { pem, algorithm, pemCrc32c: String(crc32c(Buffer.from(pem))) } };
      expect(req.url).toBe(`/v1/${name}:asymmetricSign`);
      const input = JSON.parse(body);
      const digest = Buffer.from(input.digest.sha256, 'base64');
      expect(Number(input.digestCrc32c)).toBe(crc32c(digest));
      const signature = await derOf(digest, true);
      return {
        body: {
          name,
          signature: signature.toString('base64'),
          signatureCrc32c: String(crc32c(signature) ^ (damage ? 1 : 0)),
          verifiedDigestCrc32c: true,
        },
      };
    });

  it('signs transactions over its wire protocol', async () => {
    const signer = await openGcpKmsSigner({
      keyVersion: name,
      endpoint: await stand(false),
      accessToken: async () => 'token-1',
    });
    expect(signer.address).toBe(address);
    const { raw } = await signTransaction(signer, unsigned);
    expect(Transaction.from(raw).from).toBe(address);
  });
  it('refuses a damaged answer and a key of another kind', async () => {
    const signer = await openGcpKmsSigner({
      keyVersion: name,
      endpoint: await stand(true),
      accessToken: async () => 'token-1',
    });
    await expect(signTransaction(signer, unsigned)).rejects.toThrow('damaged');
    await expect(
      openGcpKmsSigner({
        keyVersion: name,
        endpoint: await stand(false, 'EC_SIGN_P256_SHA256'),
        accessToken: async () => 'token-1',
      }),
    ).rejects.toThrow('EC_SIGN_SECP256K1_SHA256');
  });
  it('counts as the standard says', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });
});
