import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { crc32c } from './crc32c.ts';
import { addressOfSpki, toEthereumSignature } from './der-signature.ts';
import { type Signer, SignerUnavailableError } from './signer.ts';

const int64 = z.union([z.string(), z.number()]).transform(Number);
const publicKeySchema = z.object({ pem: z.string(), pemCrc32c: int64.optional(), algorithm: z.string() });
const signSchema = z.object({
  signature: z.base64(),
  signatureCrc32c: int64,
  verifiedDigestCrc32c: z.boolean(),
  name: z.string(),
});
const TIMEOUT_MS = 5_000;
const ALGORITHM = 'EC_SIGN_SECP256K1_SHA256';

/** Google Cloud KMS: a key version with algorithm EC_SIGN_SECP256K1_SHA256 (protection level HSM), over REST. */
export async function openGcpKmsSigner(options: {
  /** projects/…/cryptoKeyVersions/N; rotate by adding the next version as another signer and draining this one. */
  keyVersion: string;
  endpoint?: string | undefined;
  /** An OAuth access token with scope cloudkms; fetched for each call, cached by whoever gives it. */
  accessToken: () => Promise<string>;
  timeoutMs?: number;
}): Promise<Signer> {
  const { keyVersion, accessToken, timeoutMs = TIMEOUT_MS } = options;
  const base = options.endpoint ?? 'https://cloudkms.googleapis.com';

  async function call<S extends z.ZodType>(
    method: 'GET' | 'POST',
    path: string,
    schema: S,
    body?: object,
  ): Promise<z.output<S>> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(`/v1/${path}`, base), {
        method,
        headers: {
          authorization: `Bearer ${await accessToken()}`,
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new SignerUnavailableError(`Google Cloud KMS did not answer: ${(cause as Error).message}`, {
        cause,
      });
    }
    if (!response.ok)
      throw new SignerUnavailableError(
        `Google Cloud KMS answered ${response.status} for ${keyVersion}: ${text.slice(0, 200)}`,
      );
    return schema.parse(JSON.parse(text));
  }
  const damaged = (what: string) =>
    new SignerUnavailableError(`${what} was damaged on the way to or from Google Cloud KMS`);

  const key = await call('GET', `${keyVersion}/publicKey`, publicKeySchema);
  if (key.algorithm !== ALGORITHM)
    throw new Error(`${keyVersion} has the algorithm ${key.algorithm}; Ethereum needs ${ALGORITHM}`);
  if (key.pemCrc32c !== undefined && crc32c(Buffer.from(key.pem)) !== key.pemCrc32c)
    throw damaged('the public key');
  const address = addressOfSpki(createPublicKey(key.pem).export({ format: 'der', type: 'spki' }));
  return {
    address,
    type: 'gcp-kms',
    async signDigest(digest) {
      const answer = await call('POST', `${keyVersion}:asymmetricSign`, signSchema, {
        // The service signs what it is given here; that it calls it sha256 does not matter to it.
        digest: { sha256: Buffer.from(digest).toString('base64') },
        digestCrc32c: String(crc32c(digest)),
      });
      const signature = Buffer.from(answer.signature, 'base64');
      if (!answer.verifiedDigestCrc32c || answer.name !== keyVersion) throw damaged('the digest');
      if (crc32c(signature) !== answer.signatureCrc32c) throw damaged('the signature');
      return toEthereumSignature(signature, digest, address);
    },
  };
}
