import { createHash } from 'node:crypto';

/** A saved entry with its place, as it is hashed. */
export interface SealedEntry {
  readonly seq: number;
  readonly entryId: number;
  readonly subject: string;
  readonly action: string;
  readonly actor: string;
  /** The JSON as Postgres prints it (jsonb::text), which is the same for the same value. */
  readonly details: string;
  /** ISO 8601 with microseconds, as Postgres prints it in UTC. */
  readonly at: string;
  readonly previous: string;
}

/** What the first link points to. */
export const GENESIS = '0'.repeat(64);

/** SHA-256 over the previous hash and every field, each with its length, so that no two different entries read the same. */
export function auditHash(entry: SealedEntry): string {
  const hash = createHash('sha256');
  for (const field of [
    entry.previous,
    String(entry.seq),
    String(entry.entryId),
    entry.subject,
    entry.action,
    entry.actor,
    entry.details,
    entry.at,
  ]) {
    hash.update(`${Buffer.byteLength(field)}:`).update(field);
  }
  return hash.digest('hex');
}
