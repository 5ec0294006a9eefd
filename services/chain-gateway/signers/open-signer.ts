import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Clock } from '../../../lib/time.ts';
import { openAwsKmsSigner } from './aws-kms-signer.ts';
import type { AwsCredentials } from './aws-signature.ts';
import { openGcpKmsSigner } from './gcp-kms-signer.ts';
import { loadKeystore, loadPrivateKeyFile } from './local-signers.ts';
import { type Signer, SignerUnavailableError } from './signer.ts';
import type { SignerEntry } from './signers-file.ts';

const awsFileSchema = z.object({
  AccessKeyId: z.string(),
  SecretAccessKey: z.string(),
  SessionToken: z.string().optional(),
  Token: z.string().optional(),
});
const gcpTokenSchema = z.object({ access_token: z.string(), expires_in: z.number() });

/** Where a pod on Google Cloud gets its token (Compute Engine documentation, "Access tokens"). */
const METADATA_TOKEN_URL =
  'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token';
/** A token is renewed this long before it ends. */
const RENEW_BEFORE_MS = 60_000;

/** Opens a signer of any kind. The environment is read for AWS credentials only when no file is named. */
export function createSignerOpener(deps: {
  env: NodeJS.ProcessEnv;
  clock: Clock;
}): (entry: SignerEntry) => Promise<Signer> {
  const { env, clock } = deps;

  async function awsCredentials(file: string | undefined): Promise<AwsCredentials> {
    if (file !== undefined) {
      // Read each time: whatever rotates the credentials writes the file anew.
      const c = awsFileSchema.parse(JSON.parse(await readFile(file, 'utf8')));
      return {
        accessKeyId: c.AccessKeyId,
        secretAccessKey: c.SecretAccessKey,
        sessionToken: c.SessionToken ?? c.Token,
      };
    }
    const {
      AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY,
      AWS_SESSION_TOKEN,
      AWS_CONTAINER_CREDENTIALS_FULL_URI,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    } = env;
    if (AWS_ACCESS_KEY_ID && AWS_SECRET_ACCESS_KEY) {
      return {
        accessKeyId: AWS_ACCESS_KEY_ID,
        secretAccessKey: AWS_SECRET_ACCESS_KEY,
        sessionToken: AWS_SESSION_TOKEN,
      };
    }
    if (AWS_CONTAINER_CREDENTIALS_FULL_URI) {
      // EKS Pod Identity and ECS hand out credentials this way.
      const authorization = AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
        ? await readFile(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, 'utf8')
        : undefined;
      const response = await fetch(AWS_CONTAINER_CREDENTIALS_FULL_URI, {
        headers: authorization ? { authorization: authorization.trim() } : {},
        signal: AbortSignal.timeout(3_000),
      });
      const c = awsFileSchema.parse(await response.json());
      return {
        accessKeyId: c.AccessKeyId,
        secretAccessKey: c.SecretAccessKey,
        sessionToken: c.Token ?? c.SessionToken,
      };
    }
    throw new SignerUnavailableError(
      'no AWS credentials: set credentialsFile, AWS_ACCESS_KEY_ID, or use EKS Pod Identity',
    );
  }

  let token: { value: string; until: number } | undefined;
  async function gcpToken(file: string | undefined): Promise<string> {
    if (file !== undefined) return (await readFile(file, 'utf8')).trim();
    if (token && token.until > clock.now()) return token.value;
    const response = await fetch(METADATA_TOKEN_URL, {
      headers: { 'metadata-flavor': 'Google' },
      signal: AbortSignal.timeout(3_000),
    });
    const fresh = gcpTokenSchema.parse(await response.json());
    token = { value: fresh.access_token, until: clock.now() + fresh.expires_in * 1000 - RENEW_BEFORE_MS };
    return token.value;
  }

  const open = (entry: SignerEntry): Promise<Signer> => {
    switch (entry.type) {
      case 'private-key-file':
        return loadPrivateKeyFile(entry.file);
      case 'keystore':
        return loadKeystore(entry.file, entry.passwordFile);
      case 'aws-kms':
        return openAwsKmsSigner({
          keyId: entry.keyId,
          region: entry.region,
          endpoint: entry.endpoint,
          credentials: () => awsCredentials(entry.credentialsFile),
          clock,
        });
      case 'gcp-kms':
        return openGcpKmsSigner({
          keyVersion: entry.keyVersion,
          endpoint: entry.endpoint,
          accessToken: () => gcpToken(entry.tokenFile),
        });
    }
  };

  return async (entry) => {
    try {
      return await open(entry);
    } catch (error) {
      const address = 'address' in entry ? entry.address : undefined;
      if (!(error instanceof SignerUnavailableError) || address === undefined) throw error;
      return lateSigner(address, entry.type, () => open(entry));
    }
  };
}

/** A signer whose key service was away at the start: its lane pauses until the service answers. */
function lateSigner(address: string, type: string, open: () => Promise<Signer>): Signer {
  let opened: Signer | undefined;
  return {
    address,
    type,
    async signDigest(digest, signal) {
      opened ??= await open();
      if (opened.address !== address) {
        throw new SignerUnavailableError(
          `the ${type} key has the address ${opened.address}, the signers file says ${address}`,
        );
      }
      return opened.signDigest(digest, signal);
    },
  };
}
