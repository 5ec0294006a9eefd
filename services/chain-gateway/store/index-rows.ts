import { sql } from 'kysely';
import type { EventBody, IndexedBlock, IndexedEvent } from '../indexer/index-types.ts';
import { type GatewayTransaction, jsonRows } from './gateway-database.ts';

const ZERO = '0x0000000000000000000000000000000000000000';

type Of<T extends EventBody['type']> = IndexedEvent & { body: Extract<EventBody, { type: T }> };
const ofType = <T extends EventBody['type']>(events: readonly IndexedEvent[], type: T): Of<T>[] =>
  events.filter((event): event is Of<T> => event.body.type === type);

const position = (chainId: number, time: string, event: IndexedEvent) => ({
  chain_id: chainId,
  block_number: event.blockNumber,
  block_hash: event.blockHash,
  log_index: event.logIndex,
  transaction_hash: event.transactionHash,
  block_time: time,
  contract: event.contract,
});
const POSITION =
  'chain_id bigint, block_number bigint, block_hash text, log_index int, transaction_hash text, block_time timestamptz, contract text';
const POSITION_COLUMNS =
  'chain_id, block_number, block_hash, log_index, transaction_hash, block_time, contract';

interface TransferRow {
  item: number;
  token: string;
  standard: 'erc20' | 'erc721' | 'erc1155' | 'native';
  from_address: string;
  to_address: string;
  token_id: bigint | null;
  amount: bigint;
}

function transferOf(event: IndexedEvent): TransferRow | undefined {
  const { body } = event;
  switch (body.type) {
    case 'transfer.erc20':
    case 'transfer.native':
      return {
        item: event.item,
        token: event.contract,
        standard: body.type === 'transfer.erc20' ? 'erc20' : 'native',
        from_address: body.from,
        to_address: body.to,
        token_id: null,
        amount: body.amount,
      };
    case 'transfer.erc721':
      return {
        item: event.item,
        token: event.contract,
        standard: 'erc721',
        from_address: body.from,
        to_address: body.to,
        token_id: body.tokenId,
        amount: 1n,
      };
    case 'transfer.erc1155':
      return {
        item: event.item,
        token: event.contract,
        standard: 'erc1155',
        from_address: body.from,
        to_address: body.to,
        token_id: body.tokenId,
        amount: body.amount,
      };
    default:
      return undefined;
  }
}

/** What transfers add to each holder (negative when they take); mints and burns have one side only. */
export function deltas(
  transfers: readonly Pick<
    TransferRow,
    'token' | 'standard' | 'from_address' | 'to_address' | 'token_id' | 'amount'
  >[],
  sign: 1n | -1n,
) {
  const sums = new Map<
    string,
    {
      token: string;
      standard: TransferRow['standard'];
      holder: string;
      token_id: bigint | null;
      delta: bigint;
    }
  >();
  const add = (t: (typeof transfers)[number], holder: string, delta: bigint): void => {
    if (holder === ZERO) return;
    const key = `${t.token}|${holder}|${t.token_id ?? ''}`;
    const known = sums.get(key);
    if (known) known.delta += delta;
    else sums.set(key, { token: t.token, standard: t.standard, holder, token_id: t.token_id, delta });
  };
  for (const t of transfers) {
    // Native transfers are recorded but not summed: fees and other people's transfers move that balance as well.
    if (t.standard === 'native') continue;
    add(t, t.from_address, -t.amount * sign);
    add(t, t.to_address, t.amount * sign);
  }
  return [...sums.values()].filter((row) => row.delta !== 0n);
}

/** Adds deltas to the sums; rows that come to zero are removed, so that a replay from nothing gives the same rows. */
export async function applyDeltas(
  trx: GatewayTransaction,
  chainId: number,
  rows: ReturnType<typeof deltas>,
): Promise<void> {
  const fungible = rows.filter((row) => row.standard === 'erc20');
  const unique = rows.filter((row) => row.standard !== 'erc20');
  if (fungible.length > 0) {
    await sql`
      INSERT INTO token_balances (chain_id, token, holder, raw)
      SELECT ${chainId}, token, holder, delta FROM jsonb_to_recordset(${jsonRows(fungible)}) AS d(token text, holder text, delta numeric)
      ON CONFLICT (chain_id, token, holder) DO UPDATE SET raw = token_balances.raw + EXCLUDED.raw`.execute(
      trx,
    );
    await sql`
      DELETE FROM token_balances b USING jsonb_to_recordset(${jsonRows(fungible)}) AS d(token text, holder text)
      WHERE b.chain_id = ${chainId} AND b.token = d.token AND b.holder = d.holder AND b.raw = 0`.execute(trx);
  }
  if (unique.length > 0) {
    await sql`
      INSERT INTO nft_holdings (chain_id, contract, token_id, owner, standard, amount)
      SELECT ${chainId}, token, token_id, holder, standard, delta
      FROM jsonb_to_recordset(${jsonRows(unique)}) AS d(token text, holder text, token_id numeric, standard text, delta numeric)
      ON CONFLICT (chain_id, contract, token_id, owner) DO UPDATE SET amount = nft_holdings.amount + EXCLUDED.amount`.execute(
      trx,
    );
    await sql`
      DELETE FROM nft_holdings h USING jsonb_to_recordset(${jsonRows(unique)}) AS d(token text, holder text, token_id numeric)
      WHERE h.chain_id = ${chainId} AND h.contract = d.token AND h.token_id = d.token_id AND h.owner = d.holder AND h.amount = 0`.execute(
      trx,
    );
  }
}

/** Writes the rows of one block's events: transfers with their sums, identities, submissions, permissions, attestations. */
export async function insertIndexRows(
  trx: GatewayTransaction,
  chainId: number,
  block: IndexedBlock,
  events: readonly IndexedEvent[],
): Promise<void> {
  const time = new Date(block.time * 1000).toISOString();
  const at = (event: IndexedEvent) => position(chainId, time, event);

  const transfers = events.flatMap((event) => {
    const row = transferOf(event);
    return row ? [{ ...at(event), ...row }] : [];
  });
  if (transfers.length > 0) {
    await sql`
      INSERT INTO token_transfers (chain_id, block_number, block_hash, log_index, item, transaction_hash, block_time, token, standard, from_address, to_address, token_id, amount)
      SELECT chain_id, block_number, block_hash, log_index, item, transaction_hash, block_time, token, standard, from_address, to_address, token_id, amount
      FROM jsonb_to_recordset(${jsonRows(transfers)}) AS r(${sql.raw(POSITION)}, item int, token text, standard text, from_address text, to_address text, token_id numeric, amount numeric)`.execute(
      trx,
    );
    await applyDeltas(trx, chainId, deltas(transfers, 1n));
  }

  const created = ofType(events, 'identity.created').map((e) => ({
    ...at(e),
    owner: e.body.owner,
    sponsor: e.body.sponsor,
    token_id: e.body.tokenId,
    token_uri: e.body.tokenUri,
  }));
  if (created.length > 0) {
    await sql`
      INSERT INTO identities (${sql.raw(POSITION_COLUMNS)}, owner, sponsor, token_id, token_uri)
      SELECT ${sql.raw(POSITION_COLUMNS)}, owner, sponsor, token_id, token_uri
      FROM jsonb_to_recordset(${jsonRows(created)}) AS r(${sql.raw(POSITION)}, owner text, sponsor text, token_id numeric, token_uri text)`.execute(
      trx,
    );
  }
  for (const e of ofType(events, 'identity.destroyed')) {
    await sql`
      UPDATE identities SET destroyed_block = ${e.blockNumber}, destroyed_time = ${time}::timestamptz
      WHERE chain_id = ${chainId} AND contract = ${e.contract} AND token_id = ${e.body.tokenId.toString()}::numeric AND destroyed_block IS NULL`.execute(
      trx,
    );
  }

  const submitted = ofType(events, 'data.submitted').map((e) => ({
    ...at(e),
    owner: e.body.owner,
    owner_id: e.body.ownerId,
    data_hash: e.body.dataHash,
  }));
  if (submitted.length > 0) {
    await sql`
      INSERT INTO data_submissions (${sql.raw(POSITION_COLUMNS)}, owner, owner_id, data_hash)
      SELECT ${sql.raw(POSITION_COLUMNS)}, owner, owner_id, data_hash
      FROM jsonb_to_recordset(${jsonRows(submitted)}) AS r(${sql.raw(POSITION)}, owner text, owner_id numeric, data_hash text)`.execute(
      trx,
    );
  }

  const granted = ofType(events, 'permission.granted').map((e) => ({
    ...at(e),
    owner_id: e.body.ownerId,
    requester_id: e.body.requesterId,
    product_id: e.body.productId,
    data_hash: e.body.dataHash,
    permission_hash: e.body.permissionHash,
  }));
  if (granted.length > 0) {
    await sql`
      INSERT INTO permissions (${sql.raw(POSITION_COLUMNS)}, owner_id, requester_id, product_id, data_hash, permission_hash)
      SELECT ${sql.raw(POSITION_COLUMNS)}, owner_id, requester_id, product_id, data_hash, permission_hash
      FROM jsonb_to_recordset(${jsonRows(granted)})
        AS r(${sql.raw(POSITION)}, owner_id numeric, requester_id numeric, product_id numeric, data_hash text, permission_hash text)`.execute(
      trx,
    );
  }

  const attested = ofType(events, 'attestation.created').map((e) => ({
    ...at(e),
    uid: e.body.uid,
    schema_uid: e.body.schema,
    attester: e.body.attester,
    recipient: e.body.recipient,
  }));
  if (attested.length > 0) {
    await sql`
      INSERT INTO attestations (${sql.raw(POSITION_COLUMNS)}, uid, schema_uid, attester, recipient)
      SELECT ${sql.raw(POSITION_COLUMNS)}, uid, schema_uid, attester, recipient
      FROM jsonb_to_recordset(${jsonRows(attested)}) AS r(${sql.raw(POSITION)}, uid text, schema_uid text, attester text, recipient text)`.execute(
      trx,
    );
  }
  for (const e of ofType(events, 'attestation.revoked')) {
    await sql`
      UPDATE attestations SET revoked_block = ${e.blockNumber}, revoked_time = ${time}::timestamptz
      WHERE chain_id = ${chainId} AND contract = ${e.contract} AND uid = ${e.body.uid} AND revoked_block IS NULL`.execute(
      trx,
    );
  }
}

/** Takes back every row above `ancestor`: the inverse of what the blocks did, found in what they wrote. */
export async function removeIndexRows(
  trx: GatewayTransaction,
  chainId: number,
  ancestor: number,
): Promise<void> {
  const { rows } = await sql<{
    token: string;
    standard: TransferRow['standard'];
    from_address: string;
    to_address: string;
    token_id: string | null;
    amount: string;
  }>`
    DELETE FROM token_transfers WHERE chain_id = ${chainId} AND block_number > ${ancestor}
    RETURNING token, standard, from_address, to_address, token_id::text, amount::text`.execute(trx);
  const gone = rows.map((row) => ({
    ...row,
    token_id: row.token_id === null ? null : BigInt(row.token_id),
    amount: BigInt(row.amount),
  }));
  await applyDeltas(trx, chainId, deltas(gone, -1n));
  for (const table of ['identities', 'data_submissions', 'permissions', 'attestations']) {
    await sql`DELETE FROM ${sql.table(table)} WHERE chain_id = ${chainId} AND block_number > ${ancestor}`.execute(
      trx,
    );
  }
  await sql`
    UPDATE identities SET destroyed_block = NULL, destroyed_time = NULL WHERE chain_id = ${chainId} AND destroyed_block > ${ancestor}`.execute(
    trx,
  );
  await sql`
    UPDATE attestations SET revoked_block = NULL, revoked_time = NULL WHERE chain_id = ${chainId} AND revoked_block > ${ancestor}`.execute(
    trx,
  );
}
