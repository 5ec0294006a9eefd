import { sql } from 'kysely';
import { AppError } from '../../../../lib/errors.ts';
import { isUniqueViolation } from '../../../../lib/postgres.ts';
import type { GatewayExecutor } from '../../store/gateway-database.ts';

export type FundingKind = 'open' | 'add' | 'extend' | 'withdraw';

/** Money or time on its way into a channel, or money out of it. */
export interface Funding {
  readonly id: string;
  readonly channel: string;
  readonly kind: FundingKind;
  /** Cogs. */
  readonly amount: bigint;
  /** Block at which the channel is to expire afterwards. */
  readonly expiration: bigint;
  /** Which transaction of its kind is next or under way. */
  readonly step: number;
  readonly transaction: string | undefined;
  readonly state: 'active' | 'done' | 'failed';
  readonly error: string | undefined;
  readonly createdAt: Date;
}

interface Row {
  id: string;
  channel: string;
  kind: FundingKind;
  amount: string;
  expiration: string;
  step: number;
  transaction: string | null;
  state: Funding['state'];
  error: string | null;
  created_at: Date;
}

const COLUMNS = sql.raw(
  'id, channel, kind, amount::text, expiration::text, step, transaction, state, error, created_at',
);
const toFunding = (row: Row): Funding => ({
  ...row,
  amount: BigInt(row.amount),
  expiration: BigInt(row.expiration),
  transaction: row.transaction ?? undefined,
  error: row.error ?? undefined,
  createdAt: row.created_at,
});

/** @throws AppError conflict while another one is under way for the channel */
export async function insertFunding(
  db: GatewayExecutor,
  f: Pick<Funding, 'id' | 'channel' | 'kind' | 'amount' | 'expiration'>,
): Promise<Funding> {
  try {
    const { rows } = await sql<Row>`
      insert into snet_fundings (id, channel, kind, amount, expiration, state)
      values (${f.id}, ${f.channel}, ${f.kind}, ${f.amount.toString()}, ${f.expiration.toString()}, 'active')
      returning ${COLUMNS}`.execute(db);
    return toFunding(rows[0] as Row);
  } catch (error) {
    if (!isUniqueViolation(error, 'snet_fundings_one_active')) throw error;
    throw new AppError(
      'conflict',
      'Another change of this channel is under way; GET /internal/snet/channels shows it.',
      {
        retryAfterSeconds: 10,
      },
    );
  }
}

/** Those under way, oldest first. */
export async function activeFundings(db: GatewayExecutor): Promise<Funding[]> {
  const { rows } =
    await sql<Row>`select ${COLUMNS} from snet_fundings where state = 'active' order by created_at, id`.execute(
      db,
    );
  return rows.map(toFunding);
}

export async function lastFunding(db: GatewayExecutor, channel: string): Promise<Funding | undefined> {
  const { rows } = await sql<Row>`select ${COLUMNS} from snet_fundings where channel = ${channel}
    order by created_at desc, id desc limit 1`.execute(db);
  return rows[0] && toFunding(rows[0]);
}

export async function moveFunding(
  db: GatewayExecutor,
  id: string,
  to: Partial<Pick<Funding, 'step' | 'state' | 'error' | 'amount'>> & { transaction?: string | null },
): Promise<void> {
  await sql`update snet_fundings set
      step = coalesce(${to.step ?? null}, step),
      transaction = ${to.transaction === undefined ? sql.raw('transaction') : to.transaction},
      amount = coalesce(${to.amount?.toString() ?? null}::numeric, amount),
      state = coalesce(${to.state ?? null}, state),
      error = coalesce(${to.error ?? null}, error),
      ended_at = case when coalesce(${to.state ?? null}, state) = 'active' then null else now() end
    where id = ${id}`.execute(db);
}
