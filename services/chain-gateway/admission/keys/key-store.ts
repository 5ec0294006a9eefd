import { sql } from 'kysely';
import type { GatewayExecutor } from '../../store/gateway-database.ts';

export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  /** Chain ids; null for all. */
  readonly chains: readonly number[] | null;
  readonly methods: readonly string[] | null;
  readonly access: 'read' | 'write';
  readonly priorities: readonly string[];
  readonly weight: number;
  readonly unitsPerSecond: number | null;
  readonly burst: number | null;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly revokedAt: Date | null;
}

export interface SecretRecord {
  readonly id: string;
  readonly keyId: string;
  readonly hash: Buffer;
  readonly createdAt: Date;
  /** End of the overlap after a rotation. */
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

interface RawKey extends Omit<KeyRecord, 'chains' | 'unitsPerSecond' | 'burst'> {
  readonly chains: readonly string[] | null;
  readonly unitsPerSecond: string | null;
  readonly burst: string | null;
}

const KEY_COLUMNS = sql`id, name, chains, methods, access, priorities, weight, units_per_second AS "unitsPerSecond", burst,
  created_by AS "createdBy", created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt"`;
const SECRET_COLUMNS = sql`id, key_id AS "keyId", hash, created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt"`;

const toNumber = (text: string | null): number | null => (text === null ? null : Number(text));
const toKey = (row: RawKey): KeyRecord => ({
  ...row,
  chains: row.chains?.map(Number) ?? null,
  unitsPerSecond: toNumber(row.unitsPerSecond),
  burst: toNumber(row.burst),
});

/** @returns false when a live key has this name already. */
export async function insertKey(
  db: GatewayExecutor,
  key: Omit<KeyRecord, 'createdAt' | 'revokedAt'>,
): Promise<boolean> {
  const { rows } = await sql`
    INSERT INTO api_keys (id, name, chains, methods, access, priorities, weight, units_per_second, burst, created_by, expires_at)
    VALUES (${key.id}, ${key.name}, ${key.chains}, ${key.methods}, ${key.access}, ${key.priorities}, ${key.weight},
            ${key.unitsPerSecond}, ${key.burst}, ${key.createdBy}, ${key.expiresAt})
    ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING RETURNING id`.execute(db);
  return rows.length === 1;
}

export async function insertSecret(
  db: GatewayExecutor,
  secret: { id: string; keyId: string; hash: Buffer },
): Promise<void> {
  await sql`INSERT INTO api_key_secrets (id, key_id, hash) VALUES (${secret.id}, ${secret.keyId}, ${secret.hash})`.execute(
    db,
  );
}

export async function findKey(db: GatewayExecutor, id: string): Promise<KeyRecord | undefined> {
  const { rows } = await sql<RawKey>`SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = ${id}`.execute(db);
  return rows[0] && toKey(rows[0]);
}

/** Newest first. @param before id of the last key of the page before */
export async function listKeys(
  db: GatewayExecutor,
  page: { before: string | undefined; limit: number; live: boolean },
): Promise<KeyRecord[]> {
  const { before, limit, live } = page;
  const { rows } = await sql<RawKey>`
    SELECT ${KEY_COLUMNS} FROM api_keys
    WHERE ${before === undefined ? sql`true` : sql`(created_at, id) < (SELECT created_at, id FROM api_keys WHERE id = ${before})`}
      AND (${!live} OR (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())))
    ORDER BY created_at DESC, id DESC LIMIT ${limit}`.execute(db);
  return rows.map(toKey);
}

export async function listSecrets(db: GatewayExecutor, keyIds: readonly string[]): Promise<SecretRecord[]> {
  const { rows } = await sql<SecretRecord>`
    SELECT ${SECRET_COLUMNS} FROM api_key_secrets WHERE key_id = ANY(${keyIds}) ORDER BY created_at DESC, id`.execute(
    db,
  );
  return rows;
}

/** Keys with these secrets, each with all of its secrets. */
export async function findBySecrets(
  db: GatewayExecutor,
  secretIds: readonly string[],
): Promise<{ keys: KeyRecord[]; secrets: SecretRecord[] }> {
  const found = await sql<SecretRecord>`
    SELECT ${SECRET_COLUMNS} FROM api_key_secrets WHERE id = ANY(${secretIds})`.execute(db);
  const keyIds = [...new Set(found.rows.map(({ keyId }) => keyId))];
  if (keyIds.length === 0) return { keys: [], secrets: [] };
  const { rows } = await sql<RawKey>`SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = ANY(${keyIds})`.execute(
    db,
  );
  return { keys: rows.map(toKey), secrets: found.rows };
}

/** Ends the present secrets of a key after an overlap; sooner ends stay. */
export async function endSecrets(db: GatewayExecutor, keyId: string, overlapSeconds: number): Promise<void> {
  await sql`
    UPDATE api_key_secrets SET expires_at = least(expires_at, now() + make_interval(secs => ${overlapSeconds}))
    WHERE key_id = ${keyId}`.execute(db);
}

/** Locks the key until the transaction ends: rotations and the revocation come one after the other. */
export async function lockKey(db: GatewayExecutor, id: string): Promise<KeyRecord | undefined> {
  const { rows } = await sql<RawKey>`SELECT ${KEY_COLUMNS} FROM api_keys WHERE id = ${id} FOR UPDATE`.execute(
    db,
  );
  return rows[0] && toKey(rows[0]);
}

export async function revokeKey(db: GatewayExecutor, id: string, by: string): Promise<void> {
  await sql`UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), revoked_by = coalesce(revoked_by, ${by}) WHERE id = ${id}`.execute(
    db,
  );
}

export async function touchSecrets(
  db: GatewayExecutor,
  used: readonly { id: string; at: Date }[],
): Promise<void> {
  await sql`
    UPDATE api_key_secrets s SET last_used_at = greatest(s.last_used_at, u.at)
    FROM jsonb_to_recordset(${JSON.stringify(used)}::jsonb) AS u(id text, at timestamptz) WHERE s.id = u.id`.execute(
    db,
  );
}
