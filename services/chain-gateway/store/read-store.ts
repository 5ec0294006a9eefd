import { type RawBuilder, sql } from 'kysely';
import type { GatewayExecutor } from './gateway-database.ts';

/** Where a page ends: lists are ordered newest first by place in the chain, which no later block can shift. */
export interface Position {
  readonly block: number;
  readonly logIndex: number;
  readonly item: number;
}

export interface PageRequest {
  readonly before: Position | undefined;
  readonly limit: number;
}

const beforePosition = (before: Position | undefined, withItem: boolean): RawBuilder<unknown> => {
  if (!before) return sql`true`;
  return withItem
    ? sql`(block_number, log_index, item) < (${before.block}, ${before.logIndex}, ${before.item})`
    : sql`(block_number, log_index) < (${before.block}, ${before.logIndex})`;
};
const all = (conditions: RawBuilder<unknown>[]): RawBuilder<unknown> => sql.join(conditions, sql` AND `);

interface Placed {
  block_number: number;
  block_hash: string;
  block_time: Date;
  log_index: number;
  transaction_hash: string;
}

export interface TransferRow extends Placed {
  item: number;
  token: string;
  standard: string;
  from_address: string;
  to_address: string;
  token_id: string | null;
  amount: string;
}

export interface TransferFilter {
  readonly chainId: number;
  readonly address?: string | undefined;
  readonly token?: string | undefined;
  readonly standard?: string | undefined;
  readonly direction?: 'in' | 'out' | undefined;
  readonly counterparty?: string | undefined;
  readonly fromTime?: Date | undefined;
  readonly toTime?: Date | undefined;
  /** Blocks in (above, upTo]. */
  readonly above?: number | undefined;
  readonly upTo?: number | undefined;
}

const TRANSFER_COLUMNS = sql.raw(
  'block_number, block_hash, block_time, log_index, transaction_hash, item, token, standard, from_address, to_address, token_id::text, amount::text',
);

/** Transfers newest first. With an address, each side is read by its own index and the two are merged. */
export async function listTransfers(
  db: GatewayExecutor,
  f: TransferFilter,
  page: PageRequest,
): Promise<TransferRow[]> {
  const common: RawBuilder<unknown>[] = [sql`chain_id = ${f.chainId}`, beforePosition(page.before, true)];
  if (f.token) common.push(sql`token = ${f.token}`);
  if (f.standard) common.push(sql`standard = ${f.standard}`);
  if (f.fromTime) common.push(sql`block_time >= ${f.fromTime}`);
  if (f.toTime) common.push(sql`block_time < ${f.toTime}`);
  if (f.above !== undefined) common.push(sql`block_number > ${f.above}`);
  if (f.upTo !== undefined) common.push(sql`block_number <= ${f.upTo}`);
  const order = sql.raw('ORDER BY block_number DESC, log_index DESC, item DESC');
  const side = (mine: string, other: string, extra: RawBuilder<unknown>) => sql`
    (SELECT ${TRANSFER_COLUMNS} FROM token_transfers WHERE ${all(common)} AND ${sql.ref(mine)} = ${f.address}
      ${f.counterparty ? sql`AND ${sql.ref(other)} = ${f.counterparty}` : sql``} ${extra} ${order} LIMIT ${page.limit})`;
  if (f.address === undefined) {
    const { rows } =
      await sql<TransferRow>`SELECT ${TRANSFER_COLUMNS} FROM token_transfers WHERE ${all(common)} ${order} LIMIT ${page.limit}`.execute(
        db,
      );
    return rows;
  }
  const incoming = side('to_address', 'from_address', sql``);
  // A transfer to oneself is on both sides; it is listed once.
  const outgoing = side(
    'from_address',
    'to_address',
    f.direction === 'out' ? sql`` : sql`AND to_address <> ${f.address}`,
  );
  const source =
    f.direction === 'in'
      ? incoming
      : f.direction === 'out'
        ? outgoing
        : sql`${incoming} UNION ALL ${outgoing}`;
  const { rows } =
    await sql<TransferRow>`SELECT * FROM (${source}) AS t ${order} LIMIT ${page.limit}`.execute(db);
  return rows;
}

export async function listBalances(
  db: GatewayExecutor,
  chainId: number,
  address: string,
  token: string | undefined,
): Promise<{ token: string; raw: string }[]> {
  const { rows } = await sql<{ token: string; raw: string }>`
    SELECT token, raw::text FROM token_balances WHERE chain_id = ${chainId} AND holder = ${address} ${token ? sql`AND token = ${token}` : sql``} ORDER BY token`.execute(
    db,
  );
  return rows;
}

export interface NftRow {
  contract: string;
  token_id: string;
  owner: string;
  standard: string;
  amount: string;
}

export async function listNfts(
  db: GatewayExecutor,
  f: {
    chainId: number;
    owner?: string | undefined;
    contract?: string | undefined;
    tokenId?: string | undefined;
  },
  after: { contract: string; tokenId: string; owner: string } | undefined,
  limit: number,
): Promise<NftRow[]> {
  const where: RawBuilder<unknown>[] = [sql`chain_id = ${f.chainId}`];
  if (f.owner) where.push(sql`owner = ${f.owner}`);
  if (f.contract) where.push(sql`contract = ${f.contract}`);
  if (f.tokenId) where.push(sql`token_id = ${f.tokenId}::numeric`);
  if (after)
    where.push(
      sql`(contract, token_id, owner) > (${after.contract}, ${after.tokenId}::numeric, ${after.owner})`,
    );
  const { rows } = await sql<NftRow>`
    SELECT contract, token_id::text, owner, standard, amount::text FROM nft_holdings WHERE ${all(where)} ORDER BY contract, token_id, owner LIMIT ${limit}`.execute(
    db,
  );
  return rows;
}

export interface PermissionRow extends Placed {
  contract: string;
  owner_id: string;
  requester_id: string;
  product_id: string;
  data_hash: string;
  permission_hash: string;
}

export async function listPermissions(
  db: GatewayExecutor,
  f: {
    chainId: number;
    owner?: string | undefined;
    ownerId?: string | undefined;
    requesterId?: string | undefined;
    dataHash?: string | undefined;
    productId?: string | undefined;
    permissionHash?: string | undefined;
  },
  page: PageRequest,
): Promise<PermissionRow[]> {
  const where: RawBuilder<unknown>[] = [sql`chain_id = ${f.chainId}`, beforePosition(page.before, false)];
  if (f.ownerId) where.push(sql`owner_id = ${f.ownerId}::numeric`);
  if (f.owner)
    where.push(
      sql`owner_id IN (SELECT token_id FROM identities i WHERE i.chain_id = ${f.chainId} AND i.owner = ${f.owner})`,
    );
  if (f.requesterId) where.push(sql`requester_id = ${f.requesterId}::numeric`);
  if (f.dataHash) where.push(sql`data_hash = ${f.dataHash}`);
  if (f.productId) where.push(sql`product_id = ${f.productId}::numeric`);
  if (f.permissionHash) where.push(sql`permission_hash = ${f.permissionHash}`);
  const { rows } = await sql<PermissionRow>`
    SELECT block_number, block_hash, block_time, log_index, transaction_hash, contract, owner_id::text, requester_id::text, product_id::text, data_hash, permission_hash
    FROM permissions WHERE ${all(where)} ORDER BY block_number DESC, log_index DESC LIMIT ${page.limit}`.execute(
    db,
  );
  return rows;
}

export interface SubmissionRow extends Placed {
  contract: string;
  owner: string;
  owner_id: string;
  data_hash: string;
}

export async function listSubmissions(
  db: GatewayExecutor,
  f: {
    chainId: number;
    owner?: string | undefined;
    ownerId?: string | undefined;
    dataHash?: string | undefined;
  },
  page: PageRequest,
): Promise<SubmissionRow[]> {
  const where: RawBuilder<unknown>[] = [sql`chain_id = ${f.chainId}`, beforePosition(page.before, false)];
  if (f.owner) where.push(sql`owner = ${f.owner}`);
  if (f.ownerId) where.push(sql`owner_id = ${f.ownerId}::numeric`);
  if (f.dataHash) where.push(sql`data_hash = ${f.dataHash}`);
  const { rows } = await sql<SubmissionRow>`
    SELECT block_number, block_hash, block_time, log_index, transaction_hash, contract, owner, owner_id::text, data_hash
    FROM data_submissions WHERE ${all(where)} ORDER BY block_number DESC, log_index DESC LIMIT ${page.limit}`.execute(
    db,
  );
  return rows;
}

export interface IdentityRow extends Placed {
  contract: string;
  owner: string;
  sponsor: string;
  token_id: string;
  token_uri: string;
  destroyed_block: number | null;
  destroyed_time: Date | null;
}

/** Every identity that an address has had, the newest first. */
export async function listIdentities(
  db: GatewayExecutor,
  chainId: number,
  owner: string,
): Promise<IdentityRow[]> {
  const { rows } = await sql<IdentityRow>`
    SELECT block_number, block_hash, block_time, log_index, transaction_hash, contract, owner, sponsor, token_id::text, token_uri, destroyed_block, destroyed_time
    FROM identities WHERE chain_id = ${chainId} AND owner = ${owner} ORDER BY block_number DESC, log_index DESC LIMIT 100`.execute(
    db,
  );
  return rows;
}

export interface AttestationRow extends Placed {
  contract: string;
  uid: string;
  schema_uid: string;
  attester: string;
  recipient: string;
  revoked_block: number | null;
  revoked_time: Date | null;
}

export async function listAttestations(
  db: GatewayExecutor,
  f: {
    chainId: number;
    recipient?: string | undefined;
    attester?: string | undefined;
    schema?: string | undefined;
    uid?: string | undefined;
  },
  page: PageRequest,
): Promise<AttestationRow[]> {
  const where: RawBuilder<unknown>[] = [sql`chain_id = ${f.chainId}`, beforePosition(page.before, false)];
  if (f.recipient) where.push(sql`recipient = ${f.recipient}`);
  if (f.attester) where.push(sql`attester = ${f.attester}`);
  if (f.schema) where.push(sql`schema_uid = ${f.schema}`);
  if (f.uid) where.push(sql`uid = ${f.uid}`);
  const { rows } = await sql<AttestationRow>`
    SELECT block_number, block_hash, block_time, log_index, transaction_hash, contract, uid, schema_uid, attester, recipient, revoked_block, revoked_time
    FROM attestations WHERE ${all(where)} ORDER BY block_number DESC, log_index DESC LIMIT ${page.limit}`.execute(
    db,
  );
  return rows;
}
