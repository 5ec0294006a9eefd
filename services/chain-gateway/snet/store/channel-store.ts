import { sql } from 'kysely';
import type { GatewayExecutor, GatewayTransaction } from '../../store/gateway-database.ts';

/** A channel as we know it; amounts in the token's smallest unit ("cogs"), heights in blocks. */
export interface Channel {
  readonly id: string;
  readonly chainId: number;
  readonly mpe: string;
  readonly org: string;
  readonly groupName: string;
  readonly groupId: string;
  readonly sender: string;
  readonly signer: string;
  readonly recipient: string;
  /** Undefined until a confirmed block has it. */
  readonly channelId: bigint | undefined;
  readonly chainNonce: bigint;
  readonly chainValue: bigint;
  readonly expiration: bigint;
  readonly chainBlock: number | undefined;
  readonly nonce: bigint;
  readonly accepted: bigint;
  readonly fence: number;
  readonly epoch: number;
  readonly planned: bigint;
  readonly committed: bigint;
  /** Sealed. */
  readonly token: string | undefined;
  readonly tokenUntil: Date | undefined;
  readonly daemonUsed: bigint | undefined;
  readonly daemonSigned: bigint | undefined;
  readonly daemonReadAt: Date | undefined;
}

export type ChannelIdentity = Pick<
  Channel,
  'chainId' | 'mpe' | 'org' | 'groupName' | 'groupId' | 'sender' | 'signer' | 'recipient'
>;

const COLUMNS = sql.raw(`id, chain_id, mpe, org, group_name, group_id, sender, signer, recipient,
  channel_id::text, chain_nonce::text, chain_value::text, expiration::text, chain_block, nonce::text, accepted::text,
  fence, epoch, planned::text, committed::text, token, token_until, daemon_used::text, daemon_signed::text,
  daemon_read_at`);

type Row = Record<string, string | number | Date | null>;

const big = (value: Row[string] | undefined): bigint => BigInt((value as string | null) ?? '0');
const maybeBig = (value: Row[string] | undefined): bigint | undefined =>
  value === null || value === undefined ? undefined : BigInt(value as string);

const toChannel = (row: Row): Channel => ({
  id: row.id as string,
  chainId: Number(row.chain_id),
  mpe: row.mpe as string,
  org: row.org as string,
  groupName: row.group_name as string,
  groupId: row.group_id as string,
  sender: row.sender as string,
  signer: row.signer as string,
  recipient: row.recipient as string,
  channelId: maybeBig(row.channel_id),
  chainNonce: big(row.chain_nonce),
  chainValue: big(row.chain_value),
  expiration: big(row.expiration),
  chainBlock: row.chain_block === null ? undefined : Number(row.chain_block),
  nonce: big(row.nonce),
  accepted: big(row.accepted),
  fence: Number(row.fence),
  epoch: Number(row.epoch),
  planned: big(row.planned),
  committed: big(row.committed),
  token: (row.token as string | null) ?? undefined,
  tokenUntil: (row.token_until as Date | null) ?? undefined,
  daemonUsed: maybeBig(row.daemon_used),
  daemonSigned: maybeBig(row.daemon_signed),
  daemonReadAt: (row.daemon_read_at as Date | null) ?? undefined,
});

/** The row of this identity, made when it is new. */
export async function ensureChannel(
  db: GatewayExecutor,
  id: string,
  identity: ChannelIdentity,
): Promise<Channel> {
  const i = identity;
  await sql`insert into snet_channels (id, chain_id, mpe, org, group_name, group_id, sender, signer, recipient)
    values (${id}, ${i.chainId}, ${i.mpe}, ${i.org}, ${i.groupName}, ${i.groupId}, ${i.sender}, ${i.signer}, ${i.recipient})
    on conflict (chain_id, mpe, sender, signer, recipient, group_id) do nothing`.execute(db);
  const { rows } = await sql<Row>`select ${COLUMNS} from snet_channels
    where chain_id = ${i.chainId} and mpe = ${i.mpe} and sender = ${i.sender} and signer = ${i.signer}
      and recipient = ${i.recipient} and group_id = ${i.groupId}`.execute(db);
  return toChannel(rows[0] as Row);
}

export async function readChannel(db: GatewayExecutor, id: string): Promise<Channel> {
  const { rows } = await sql<Row>`select ${COLUMNS} from snet_channels where id = ${id}`.execute(db);
  if (!rows[0]) throw new Error(`there is no channel row ${id}`);
  return toChannel(rows[0]);
}

export async function listChannels(db: GatewayExecutor): Promise<Channel[]> {
  const { rows } = await sql<Row>`select ${COLUMNS} from snet_channels order by created_at`.execute(db);
  return rows.map(toChannel);
}

/** A writer's number: every earlier writer is shut out from here on. */
export async function raiseFence(db: GatewayExecutor, id: string): Promise<Channel> {
  const { rows } =
    await sql<Row>`update snet_channels set fence = fence + 1 where id = ${id} returning ${COLUMNS}`.execute(
      db,
    );
  if (!rows[0]) throw new Error(`there is no channel row ${id}`);
  return toChannel(rows[0]);
}

/** Somebody else has become the writer of this channel. Nothing that was signed may be used. */
export class FencedOutError extends Error {
  override readonly name = 'FencedOutError';
}

/** Locks the row for the rest of the transaction. @throws FencedOutError when `fence` is not the newest. */
export async function requireFence(trx: GatewayTransaction, id: string, fence: number): Promise<Channel> {
  const { rows } = await sql<Row>`select ${COLUMNS} from snet_channels where id = ${id} for update`.execute(
    trx,
  );
  const channel = rows[0] && toChannel(rows[0]);
  if (channel?.fence !== fence) {
    throw new FencedOutError(
      `channel row ${id} has a newer writer (${channel?.fence}, this one is ${fence})`,
    );
  }
  return channel;
}

/** What a confirmed block says. The nonce for signing never stays behind the contract's. */
export async function saveChainView(
  db: GatewayExecutor,
  id: string,
  view: { channelId: bigint; nonce: bigint; value: bigint; expiration: bigint; block: number; hash: string },
): Promise<void> {
  await sql`update snet_channels set
      channel_id = ${view.channelId.toString()}, chain_nonce = ${view.nonce.toString()},
      chain_value = ${view.value.toString()}, expiration = ${view.expiration.toString()},
      chain_block = ${view.block}, chain_hash = ${view.hash},
      accepted = case when nonce < ${view.nonce.toString()} then 0 else accepted end,
      nonce = greatest(nonce, ${view.nonce.toString()}), version = version + 1
    where id = ${id} and (chain_block is null or chain_block <= ${view.block} or channel_id is distinct from ${view.channelId.toString()})`.execute(
    db,
  );
}

/** A reorg took the opening back: the number may become somebody else's channel. */
export async function forgetChannelId(db: GatewayExecutor, id: string): Promise<void> {
  await sql`update snet_channels set channel_id = null, chain_value = 0, chain_nonce = 0, nonce = 0, accepted = 0,
      expiration = 0, chain_block = null, chain_hash = null, token = null, version = version + 1
    where id = ${id}`.execute(db);
}

export async function saveDaemonState(
  trx: GatewayTransaction,
  id: string,
  state: { nonce: bigint; accepted: bigint },
): Promise<void> {
  await sql`update snet_channels set nonce = ${state.nonce.toString()}, accepted = ${state.accepted.toString()},
      daemon_signed = ${state.accepted.toString()}, daemon_read_at = now(), version = version + 1
    where id = ${id}`.execute(trx);
}

/** A token and what the daemon told with it. Less than before was told by a daemon that forgot: a new epoch. */
export async function saveToken(
  trx: GatewayTransaction,
  id: string,
  token: { sealed: string; until: Date; planned: bigint; used: bigint; accepted: bigint },
): Promise<{ epoch: number; forgot: boolean }> {
  const { rows } = await sql<{ epoch: number; forgot: boolean }>`
    with before as (select id, epoch, planned, daemon_used, committed from snet_channels where id = ${id} for update),
    held as (
      select coalesce(sum(price), 0) as amount from snet_calls c, before b
      where c.channel = b.id and c.epoch = b.epoch and c.state = 'held' and c.mode = 'prepaid'),
    verdict as (
      select b.*, held.amount as held, (${token.planned.toString()}::numeric < b.planned
        or ${token.used.toString()}::numeric < coalesce(b.daemon_used, 0)) as forgot from before b, held)
    update snet_channels c set
      epoch = v.epoch + case when v.forgot then 1 else 0 end,
      -- Calls under way may be booked on either side of the daemon's loss; held twice is safe, once might not be.
      committed = case when v.forgot then ${token.used.toString()}::numeric + v.held else v.committed end,
      planned = ${token.planned.toString()}::numeric, daemon_used = ${token.used.toString()}::numeric,
      accepted = ${token.accepted.toString()}::numeric, daemon_signed = ${token.accepted.toString()}::numeric,
      token = ${token.sealed}, token_until = ${token.until}, daemon_read_at = now(), version = c.version + 1
    from verdict v where c.id = v.id returning c.epoch, v.forgot`.execute(trx);
  return rows[0] as { epoch: number; forgot: boolean };
}

/** Gives up a token that the daemon refuses, unless somebody has replaced it already. */
export async function dropToken(db: GatewayExecutor, id: string, sealed: string): Promise<void> {
  await sql`update snet_channels set token = null, version = version + 1 where id = ${id} and token = ${sealed}`.execute(
    db,
  );
}
