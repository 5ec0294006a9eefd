import { readFileSync } from 'node:fs';
import { getAddress, isAddress } from 'ethers';
import { z } from 'zod';

const address = z
  .string()
  .refine((value) => isAddress(value), 'expected an address of 20 bytes in hex')
  .transform((value) => getAddress(value) as `0x${string}`);

const hash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'expected 32 bytes in hex')
  .transform((value) => value.toLowerCase() as `0x${string}`);

const contract = z.object({
  address,
  /** Block whose state first has the code; an indexer starts here. */
  deployedBlock: z.int().min(0),
  /** File under `contracts/abi/`, without extension, such as `rejuve-token`. */
  abi: z.string().regex(/^[a-z0-9-]+$/),
  /** What signatures for this contract are bound to, next to chain id and address. */
  eip712: z.object({ name: z.string(), version: z.string() }).optional(),
  /** keccak-256 of the creation code without arguments: tells whether the chain has this version of our source. */
  creationCodeHash: hash.optional(),
});

export const contractsManifestSchema = z.object({
  chainId: z.int().positive(),
  /** Blocks on top of a block until the platform calls it confirmed. */
  confirmations: z.int().min(1),
  contracts: z.record(z.string(), contract),
  /** EAS schemas by their role on the platform. */
  schemas: z.record(z.string(), z.object({ uid: hash, definition: z.string() })).default({}),
  /** Accounts the deployment gave roles to, by alias (`treasury`, `sponsor`, `lab`). */
  accounts: z
    .record(z.string(), z.object({ address, identity: z.string().regex(/^\d+$/).optional() }))
    .default({}),
});

/** Which contracts the platform works with on one chain; `contracts/deploy.ts` writes it, services read it. */
export type ContractsManifest = z.infer<typeof contractsManifestSchema>;
export type ContractEntry = ContractsManifest['contracts'][string];

/** The file is missing, is not JSON, or does not describe contracts; the message says which and where. */
export class ContractsManifestError extends Error {
  override readonly name = 'ContractsManifestError';
}

/** Read and check the file that `CONTRACTS_FILE` names. Throws {@link ContractsManifestError}. */
export function loadContractsManifest(file: string): ContractsManifest {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const reason =
      (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : (cause as Error).message;
    throw new ContractsManifestError(`CONTRACTS_FILE ${file}: ${reason}; contracts/deploy.ts writes it`, {
      cause,
    });
  }
  return parseContractsManifest(text, file);
}

/** The same for text that is already in memory; `source` names it in errors. */
export function parseContractsManifest(text: string, source: string): ContractsManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ContractsManifestError(`${source} is not JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = contractsManifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ContractsManifestError(
    `${source} is not a contracts manifest:\n${z.prettifyError(parsed.error)}`,
  );
}

/** The entry of a contract. Throws {@link ContractsManifestError} naming those that the manifest does have. */
export function requireContract(manifest: ContractsManifest, name: string): ContractEntry {
  const entry = manifest.contracts[name];
  if (entry) return entry;
  const known = Object.keys(manifest.contracts).join(', ') || 'none';
  throw new ContractsManifestError(`the contracts manifest has no ${name}; it has: ${known}`);
}
