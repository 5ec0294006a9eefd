import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashPassword } from '../../console/server/access/operators.ts';
import { devAccount } from '../../contracts/dev-accounts.ts';
import { writePrivateFile } from './state.ts';

/** What the development stack makes up on its first run and keeps until `make reset`. */
export interface Secrets {
  readonly postgresPassword: string;
  readonly redisPassword: string;
  /** `kid:secret`, see lib/service-auth.ts. */
  readonly serviceAuthKeys: string;
  /** `kid:secret`; seals what the user service keeps sealed in its database. */
  readonly dataKeys: string;
  readonly cursorSecret: string;
  /** An API key with every scope: `rjv_<id>_<secret>`. */
  readonly apiKey: string;
  /** Password of both console accounts, `dev` (operator) and `viewer`. */
  readonly consolePassword: string;
  /** For the control API of the supervisor. */
  readonly controlToken: string;
}

export interface SecretFiles {
  readonly secrets: string;
  /** Private keys of access tokens, as a JWK set. */
  readonly jwtKeys: string;
  readonly signers: string;
  /** Who may sign in to the console, with hashes. */
  readonly consoleOperators: string;
}

/** The signer pools of the development chain and the accounts behind them, all of them publicly known. */
export const DEV_POOLS = {
  treasury: devAccount(1),
  sponsor: devAccount(2),
  lab: devAccount(3),
} as const;

const token = (bytes: number): string => randomBytes(bytes).toString('base64url');
/** Letters and digits only, so that a secret needs no quoting in URLs, files and keys with `_` in them. */
const plainToken = (bytes: number): string => randomBytes(bytes).toString('hex');

export const secretFiles = (stateDir: string): SecretFiles => ({
  secrets: join(stateDir, 'secrets', 'secrets.json'),
  jwtKeys: join(stateDir, 'secrets', 'jwt-keys.json'),
  signers: join(stateDir, 'secrets', 'signers.json'),
  consoleOperators: join(stateDir, 'secrets', 'console-operators'),
});

function makeSecrets(): Secrets {
  return {
    postgresPassword: plainToken(16),
    redisPassword: plainToken(16),
    serviceAuthKeys: `dev1:${token(32)}`,
    dataKeys: `dev1:${token(32)}`,
    cursorSecret: token(32),
    apiKey: `rjv_${plainToken(6)}_${plainToken(24)}`,
    consolePassword: plainToken(8),
    controlToken: token(32),
  };
}

function makeJwtKeys(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = privateKey.export({ format: 'jwk' });
  return JSON.stringify(
    { keys: [{ ...jwk, kid: `dev-${plainToken(4)}`, alg: 'ES256', use: 'sig' }] },
    null,
    2,
  );
}

/** Reads the secrets of a state folder, after making those that are missing. All files have mode 0600. */
export function ensureSecrets(stateDir: string): { secrets: Secrets; files: SecretFiles } {
  const files = secretFiles(stateDir);
  const known = existsSync(files.secrets)
    ? (JSON.parse(readFileSync(files.secrets, 'utf8')) as Partial<Secrets>)
    : {};
  // A newer version may need a secret that an older one did not make.
  const secrets: Secrets = { ...makeSecrets(), ...known };
  writePrivateFile(files.secrets, `${JSON.stringify(secrets, null, 2)}\n`);
  if (!existsSync(files.consoleOperators)) {
    const hash = hashPassword(secrets.consolePassword);
    writePrivateFile(files.consoleOperators, `dev:operator:${hash}\nviewer:viewer:${hash}\n`);
  }
  if (!existsSync(files.jwtKeys)) writePrivateFile(files.jwtKeys, `${makeJwtKeys()}\n`);
  const pools: Record<string, unknown> = {};
  for (const [alias, account] of Object.entries(DEV_POOLS)) {
    const file = `signer-${alias}.key`;
    writePrivateFile(join(stateDir, 'secrets', file), `${account.privateKey}\n`);
    pools[alias] = [{ type: 'private-key-file', file }];
  }
  writePrivateFile(files.signers, `${JSON.stringify({ pools }, null, 2)}\n`);
  return { secrets, files };
}
