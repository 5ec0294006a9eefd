import { z } from 'zod';
import type { Clock } from '../../../lib/time.ts';
import { type AwsCredentials, signAwsRequest } from './aws-signature.ts';
import { addressOfSpki, toEthereumSignature } from './der-signature.ts';
import { type Signer, SignerUnavailableError } from './signer.ts';

const publicKeySchema = z.object({ PublicKey: z.base64(), KeySpec: z.string().optional() });
const signSchema = z.object({ Signature: z.base64() });
const errorSchema = z.object({
  __type: z.string().optional(),
  message: z.string().optional(),
  Message: z.string().optional(),
});
/** A signature takes some 50 ms; a key that needs longer is away. */
const TIMEOUT_MS = 5_000;
/** Errors that a repetition does not change (AWS KMS API reference, "Common errors" and "Sign"). */
const PERMANENT =
  /AccessDenied|NotFound|InvalidKeyUsage|DisabledException|UnsupportedOperation|ValidationException|UnrecognizedClient|InvalidSignature/;

/** AWS KMS: an asymmetric key of spec ECC_SECG_P256K1 for SIGN_VERIFY, over the JSON protocol. */
export async function openAwsKmsSigner(options: {
  keyId: string;
  region: string;
  /** Default: the public endpoint of the region. */
  endpoint?: string | undefined;
  credentials: () => Promise<AwsCredentials>;
  clock: Pick<Clock, 'now'>;
  timeoutMs?: number;
}): Promise<Signer> {
  const { keyId, region, clock, timeoutMs = TIMEOUT_MS } = options;
  const endpoint = new URL(options.endpoint ?? `https://kms.${region}.amazonaws.com`);

  async function call<S extends z.ZodType>(
    operation: string,
    input: object,
    schema: S,
  ): Promise<z.output<S>> {
    const body = JSON.stringify(input);
    const headers = signAwsRequest({
      method: 'POST',
      path: '/',
      headers: {
        host: endpoint.host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': `TrentService.${operation}`,
      },
      body,
      region,
      service: 'kms',
      credentials: await options.credentials(),
      nowMs: clock.now(),
    });
    const { host: _, ...sent } = headers;
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL('/', endpoint), {
        method: 'POST',
        headers: sent,
        body,
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new SignerUnavailableError(`AWS KMS did not answer ${operation}: ${(cause as Error).message}`, {
        cause,
      });
    }
    if (response.ok) return schema.parse(JSON.parse(text));
    const error = errorSchema.safeParse(parseOrNothing(text)).data;
    const reason = `${error?.__type ?? response.status} ${error?.message ?? error?.Message ?? ''}`.trim();
    // Even a permanent refusal only pauses the lane: permissions come back, and work is not lost meanwhile.
    throw new SignerUnavailableError(
      `AWS KMS ${PERMANENT.test(reason) ? 'refused' : 'failed'} ${operation} for ${keyId}: ${reason}`,
    );
  }

  const { PublicKey } = await call('GetPublicKey', { KeyId: keyId }, publicKeySchema);
  const address = addressOfSpki(Buffer.from(PublicKey, 'base64'));
  return {
    address,
    type: 'aws-kms',
    async signDigest(digest) {
      const input = {
        KeyId: keyId,
        Message: Buffer.from(digest).toString('base64'),
        MessageType: 'DIGEST',
        SigningAlgorithm: 'ECDSA_SHA_256',
      };
      const { Signature } = await call('Sign', input, signSchema);
      return toEthereumSignature(Buffer.from(Signature, 'base64'), digest, address);
    },
  };
}

const parseOrNothing = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
