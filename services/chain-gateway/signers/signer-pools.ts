import type { Signer } from './signer.ts';
import type { SignerEntry, SignerPolicy, SignerPoolEntry } from './signers-file.ts';

export interface SignerPool {
  readonly alias: string;
  readonly policy: SignerPolicy;
  readonly signers: readonly Signer[];
}

/** Every pool by alias, and every signer by address. */
export interface SignerPools {
  pool(alias: string): SignerPool | undefined;
  aliases(): readonly string[];
  all(): readonly SignerPool[];
  signer(address: string): { signer: Signer; pool: SignerPool } | undefined;
}

export function createSignerPools(pools: readonly SignerPool[]): SignerPools {
  const byAlias = new Map(pools.map((pool) => [pool.alias, pool]));
  const byAddress = new Map<string, { signer: Signer; pool: SignerPool }>();
  for (const pool of pools) {
    for (const signer of pool.signers) {
      const other = byAddress.get(signer.address);
      if (other)
        throw new Error(
          `signer ${signer.address} is in the pools ${other.pool.alias} and ${pool.alias}; a nonce lane has one owner`,
        );
      byAddress.set(signer.address, { signer, pool });
    }
  }
  return {
    pool: (alias) => byAlias.get(alias),
    aliases: () => [...byAlias.keys()],
    all: () => pools,
    signer: (address) => byAddress.get(address),
  };
}

/** Opens every signer of the file. @throws Error naming the pool and entry that cannot be opened. */
export async function openSignerPools(
  entries: ReadonlyMap<string, SignerPoolEntry>,
  open: (entry: SignerEntry) => Promise<Signer>,
): Promise<SignerPools> {
  const pools = await Promise.all(
    [...entries].map(async ([alias, entry]) => ({
      alias,
      policy: entry.policy,
      signers: await Promise.all(
        entry.signers.map((signer, i) =>
          open(signer)
            .then((opened): Signer => (signer.draining ? { ...opened, draining: true } : opened))
            .catch((cause: Error) => {
              throw new Error(`signer ${i + 1} (${signer.type}) of pool ${alias}: ${cause.message}`, {
                cause,
              });
            }),
        ),
      ),
    })),
  );
  return createSignerPools(pools);
}
