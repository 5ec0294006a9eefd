import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { ConfigError } from '../../../lib/config.ts';

const path = z.string().min(1);
const wei = z
  .union([z.string().regex(/^\d+$/, 'expected wei as a decimal string'), z.int().min(0)])
  .transform(BigInt);

/** Finishes what it has and takes nothing new: how a key is rotated out. */
const draining = z.boolean().default(false);

/** One key of any kind. */
export const signerEntry = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('private-key-file'), draining, file: path }),
  z.strictObject({ type: z.literal('keystore'), draining, file: path, passwordFile: path }),
  z.strictObject({
    type: z.literal('aws-kms'),
    draining,
    /** States the key's address, so that the worker starts while the key service is away. */
    address: addressSchema.optional(),
    keyId: z.string().min(1),
    region: z.string().min(1),
    endpoint: z.url().optional(),
    credentialsFile: path.optional(),
  }),
  z.strictObject({
    type: z.literal('gcp-kms'),
    draining,
    /** projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/… */
    keyVersion: z
      .string()
      .regex(
        /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+\/cryptoKeyVersions\/\d+$/,
      ),
    address: addressSchema.optional(),
    endpoint: z.url().optional(),
    tokenFile: path.optional(),
  }),
]);
export type SignerEntry = z.output<typeof signerEntry>;

export const signerPolicySchema = z.strictObject({
  /** Contract name → functions (names or full signatures) that may be called, `*` for all. Left out: every known contract. */
  contracts: z.record(z.string(), z.array(z.string().min(1))).optional(),
  /** Plain transfers of the chain's coin, and calls to addresses that are none of our contracts. */
  allowNative: z.boolean().default(false),
  /** Most that may leave per transaction, wei. */
  maxValue: wei.optional(),
  /** Highest fee per gas that is ever offered, wei. */
  maxFeePerGas: wei.default(500_000_000_000n),
  /** Most wei (value and gas) that may be spent per rolling period. */
  spendLimit: z.strictObject({ wei, periodSeconds: z.int().min(60) }).optional(),
  /** Alert and stop taking new work below this balance, wei. */
  minimumBalance: wei.default(0n),
  /** Prepare and record, never sign. */
  dryRun: z.boolean().default(false),
});
export type SignerPolicy = z.output<typeof signerPolicySchema>;

const poolSchema = z.union([
  z
    .array(signerEntry)
    .min(1)
    .transform((signers) => ({ signers, policy: signerPolicySchema.parse({}) })),
  z.strictObject({
    signers: z.array(signerEntry).min(1),
    policy: signerPolicySchema.default(signerPolicySchema.parse({})),
  }),
]);
const aliases = z.record(
  z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, 'an alias is a short lower-case word'),
  poolSchema,
);

export interface SignerPoolEntry {
  readonly signers: readonly SignerEntry[];
  readonly policy: SignerPolicy;
}

/**
 * Reads SIGNERS_FILE (YAML or JSON): `alias: [signer, …]`, or `alias: { signers, policy }`, optionally under `pools:`.
 * Paths inside are relative to the file.
 * @throws ConfigError
 */
export function loadSignersFile(file: string): Map<string, SignerPoolEntry> {
  const fail = (message: string) => new ConfigError('chain-gateway', [{ key: 'SIGNERS_FILE', message }]);
  let raw: unknown;
  try {
    raw = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    throw fail(`cannot read ${file}: ${(error as Error).message.split('\n')[0]}`);
  }
  const pools = raw && typeof raw === 'object' && 'pools' in raw ? raw.pools : raw;
  const parsed = aliases.safeParse(pools);
  if (!parsed.success) throw fail(`${file} is not a list of signer pools:\n${z.prettifyError(parsed.error)}`);
  const base = dirname(file);
  const resolve = (p: string) => (isAbsolute(p) ? p : join(base, p));
  return new Map(
    Object.entries(parsed.data).map(([alias, pool]) => [
      alias,
      { policy: pool.policy, signers: pool.signers.map((entry) => withPaths(entry, resolve)) },
    ]),
  );
}

/** The entry with its files found relative to the file that names them. */
export function withPaths(entry: SignerEntry, resolve: (p: string) => string): SignerEntry {
  switch (entry.type) {
    case 'private-key-file':
      return { ...entry, file: resolve(entry.file) };
    case 'keystore':
      return { ...entry, file: resolve(entry.file), passwordFile: resolve(entry.passwordFile) };
    case 'aws-kms':
      return entry.credentialsFile ? { ...entry, credentialsFile: resolve(entry.credentialsFile) } : entry;
    case 'gcp-kms':
      return entry.tokenFile ? { ...entry, tokenFile: resolve(entry.tokenFile) } : entry;
  }
}
