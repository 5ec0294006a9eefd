import { sql } from 'kysely';
import type { GatewayExecutor, GatewayTransaction } from '../../store/gateway-database.ts';

export type SignaturePurpose = 'call' | 'prepaid' | 'recovered';

/** An amount that was signed for one nonce of a channel. */
export interface PaymentSignature {
  readonly nonce: bigint;
  readonly amount: bigint;
  readonly purpose: SignaturePurpose;
  readonly callId: string | undefined;
  readonly signature: Uint8Array;
  readonly state: 'open' | 'accepted' | 'unused';
}

interface Row {
  nonce: string;
  amount: string;
  purpose: SignaturePurpose;
  call_id: string | null;
  signature: Buffer;
  state: PaymentSignature['state'];
}

const toSignature = (row: Row): PaymentSignature => ({
  nonce: BigInt(row.nonce),
  amount: BigInt(row.amount),
  purpose: row.purpose,
  callId: row.call_id ?? undefined,
  signature: new Uint8Array(row.signature),
  state: row.state,
});

const COLUMNS = sql.raw('nonce::text, amount::text, purpose, call_id, signature, state');

/** The one payment whose fate is not known, if there is one. */
export async function openSignature(
  db: GatewayExecutor,
  channel: string,
): Promise<PaymentSignature | undefined> {
  const { rows } =
    await sql<Row>`select ${COLUMNS} from snet_signatures where channel = ${channel} and state = 'open'`.execute(
      db,
    );
  return rows[0] && toSignature(rows[0]);
}

/** The highest amount ever signed for a nonce: what the recipient could claim at worst. */
export async function highestSigned(db: GatewayExecutor, channel: string, nonce: bigint): Promise<bigint> {
  const { rows } = await sql<{ amount: string | null }>`
    select max(amount)::text as amount from snet_signatures
    where channel = ${channel} and nonce = ${nonce.toString()}`.execute(db);
  return BigInt(rows[0]?.amount ?? '0');
}

/** The same over the nonces that the contract has not closed yet, below the one that is signed for now. */
export async function claimableBefore(
  db: GatewayExecutor,
  channel: string,
  range: { from: bigint; before: bigint },
): Promise<bigint> {
  if (range.from >= range.before) return 0n;
  const { rows } = await sql<{ amount: string | null }>`
    select sum(highest)::text as amount from (
      select max(amount) as highest from snet_signatures
      where channel = ${channel} and nonce >= ${range.from.toString()} and nonce < ${range.before.toString()}
      group by nonce) n`.execute(db);
  return BigInt(rows[0]?.amount ?? '0');
}

/**
 * Writes down a signature before it is used. The same amount again is the same signature: its row is opened again.
 * The caller holds the channel's row (requireFence). A second open one is refused by the database.
 */
export async function recordSignature(
  trx: GatewayTransaction,
  channel: string,
  fence: number,
  s: Omit<PaymentSignature, 'state'>,
): Promise<void> {
  await sql`insert into snet_signatures (channel, nonce, amount, purpose, call_id, fence, signature, state)
    values (${channel}, ${s.nonce.toString()}, ${s.amount.toString()}, ${s.purpose}, ${s.callId ?? null}, ${fence},
      ${Buffer.from(s.signature)}, ${s.purpose === 'recovered' ? 'accepted' : 'open'})
    on conflict (channel, nonce, amount) do update
      set purpose = excluded.purpose, call_id = excluded.call_id, fence = excluded.fence, state = excluded.state,
          updated_at = now()`.execute(trx);
}

/** What became of the open payment, now that the daemon is known to have taken `accepted` for `nonce`. */
export async function settleOpen(
  trx: GatewayTransaction,
  channel: string,
  nonce: bigint,
  accepted: bigint,
): Promise<void> {
  // One of an older nonce is over as well: that nonce was claimed with what the daemon had of it.
  await sql`update snet_signatures set updated_at = now(),
      state = case when nonce = ${nonce.toString()} and amount <= ${accepted.toString()} then 'accepted' else 'unused' end
    where channel = ${channel} and state = 'open'`.execute(trx);
}

export async function listSignatures(db: GatewayExecutor, channel: string): Promise<PaymentSignature[]> {
  const { rows } = await sql<Row>`select ${COLUMNS} from snet_signatures where channel = ${channel}
    order by nonce, amount`.execute(db);
  return rows.map(toSignature);
}
