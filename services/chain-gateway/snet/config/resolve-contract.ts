import { ConfigError } from '../../../../lib/config.ts';
import { nearest } from '../../../../lib/nearest.ts';
import type { ContractBook, KnownContract } from '../../transactions/contract-book.ts';

/** The contract that a setting names, by name or address. @throws ConfigError naming the nearest */
export function resolveContract(book: ContractBook, reference: string, setting: string): KnownContract {
  const found = reference.startsWith('0x') ? book.byAddress(reference) : book.byName(reference);
  if (found) return found;
  const guess = nearest(reference, book.names());
  throw new ConfigError('gateway', [
    {
      key: `SNET_FILE ${setting}`,
      message: `${reference} is none of the contracts in CONTRACTS_FILE; ${guess ? `did you mean ${guess}?` : `it has: ${book.names().join(', ') || 'none'}`}`,
    },
  ]);
}
