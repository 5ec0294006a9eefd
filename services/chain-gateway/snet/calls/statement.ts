import { sql } from 'kysely';
import type { GatewayExecutor, GatewayPostgres } from '../../store/gateway-database.ts';
import type { MpeContract } from '../channels/mpe-contract.ts';
import { type Channel, readChannel } from '../store/channel-store.ts';
import { highestSigned, openSignature } from '../store/signature-store.ts';

/** What somebody spent on a service. */
export interface StatementLine {
  readonly person: string | null;
  readonly principal: string;
  readonly org: string;
  readonly service: string;
  readonly mode: 'prepaid' | 'escrow' | 'free';
  readonly answered: number;
  readonly failed: number;
  readonly lost: number;
  /** Cogs; the sum of the prices of the answered calls. */
  readonly charged: string;
}

export async function statementLines(
  db: GatewayExecutor,
  query: { person?: string | undefined; principal?: string | undefined; from: Date; to: Date },
): Promise<StatementLine[]> {
  const { rows } = await sql<StatementLine>`
    select person, principal, org, service, mode,
      count(*) filter (where state = 'answered')::int as answered,
      count(*) filter (where state = 'failed')::int as failed,
      count(*) filter (where state = 'lost')::int as lost,
      coalesce(sum(price) filter (where state = 'answered'), 0)::text as charged
    from snet_calls
    where created_at >= ${query.from} and created_at < ${query.to}
      and (${query.person ?? null}::text is null or person = ${query.person ?? null})
      and (${query.principal ?? null}::text is null or principal = ${query.principal ?? null})
    group by 1, 2, 3, 4, 5 order by 3, 4, 1 nulls first, 2, 5`.execute(db);
  return rows;
}

/** Prepaid money of a channel's present epoch by what became of it, cogs. */
export interface PrepaidBooks {
  readonly answered: bigint;
  readonly refunded: bigint;
  readonly held: bigint;
  readonly lost: bigint;
  /** Calls of the epoch before that ended in this one: the daemon may count them in either. */
  readonly carried: bigint;
}

export async function prepaidBooks(db: GatewayExecutor, channel: string): Promise<PrepaidBooks> {
  const { rows } = await sql<Record<keyof PrepaidBooks, string>>`
    with c as (select id, epoch from snet_channels where id = ${channel}),
    started as (
      select min(k.created_at) as at from snet_calls k, c where k.channel = c.id and k.epoch = c.epoch)
    select
      coalesce(sum(price) filter (where k.epoch = c.epoch and state = 'answered'), 0)::text as answered,
      coalesce(sum(price) filter (where k.epoch = c.epoch and state = 'failed' and reached), 0)::text as refunded,
      coalesce(sum(price) filter (where k.epoch = c.epoch and state = 'held'), 0)::text as held,
      coalesce(sum(price) filter (where k.epoch = c.epoch and state = 'lost'), 0)::text as lost,
      coalesce(sum(price) filter (where k.epoch < c.epoch
        and (k.ended_at is null or k.ended_at >= coalesce(started.at, now()) - interval '5 seconds')), 0)::text as carried
    from snet_calls k, c, started where k.channel = c.id and k.mode = 'prepaid'`.execute(db);
  const row = rows[0];
  return {
    answered: BigInt(row?.answered ?? '0'),
    refunded: BigInt(row?.refunded ?? '0'),
    held: BigInt(row?.held ?? '0'),
    lost: BigInt(row?.lost ?? '0'),
    carried: BigInt(row?.carried ?? '0'),
  };
}

/** How far a number lies outside of a range; 0 inside. */
export const outside = (value: bigint, low: bigint, high: bigint): bigint =>
  value < low ? low - value : value > high ? value - high : 0n;

/** One channel: our books, the daemon's, the contract's, and by how much they contradict each other. */
export interface ChannelStatement {
  readonly channel: Channel;
  readonly books: PrepaidBooks;
  /** Highest amount that we signed for the present nonce. */
  readonly signed: bigint;
  readonly chain: { deposited: bigint; claimed: bigint; value: bigint };
  readonly drift: { prepaid: bigint; escrow: bigint; chain: bigint; total: bigint };
}

export interface StatementDeps {
  readonly postgres: GatewayPostgres;
  readonly mpe: MpeContract;
  readonly fromBlock: number;
  /** Asks the daemon of a channel what it has; may fail. */
  readonly askDaemon: (channel: Channel) => Promise<void>;
}

/**
 * Holds the books against the daemon and the contract. The daemon is asked between two looks at our own books, so calls
 * that end meanwhile are no difference: what it counts must lie between what had ended before and what had begun after.
 * @param options.chain also reads every event of the channel; many blocks on an old one
 */
export async function compareChannel(
  deps: StatementDeps,
  id: string,
  options: { chain: boolean } = { chain: true },
): Promise<ChannelStatement> {
  const { postgres, mpe } = deps;
  const before = await prepaidBooks(postgres.db, id);
  await deps.askDaemon(await readChannel(postgres.db, id));
  const channel = await readChannel(postgres.db, id);
  const books = await prepaidBooks(postgres.db, id);
  const low = before.answered + before.refunded;
  const high = books.answered + books.refunded + books.held + books.lost + books.carried;
  const forgotMeanwhile = low > high;
  const prepaid =
    channel.daemonUsed === undefined || channel.planned === 0n || forgotMeanwhile
      ? 0n
      : outside(channel.daemonUsed, low, high);

  const [signed, open] = await Promise.all([
    highestSigned(postgres.db, id, channel.nonce),
    openSignature(postgres.db, id),
  ]);
  // The daemon has exactly what we know it took; with a payment under way it may have that as well.
  const escrow =
    channel.daemonSigned === undefined
      ? 0n
      : outside(channel.daemonSigned, open ? 0n : channel.accepted, open ? open.amount : channel.accepted);

  let chain = { deposited: 0n, claimed: 0n, value: channel.chainValue };
  let chainDrift = 0n;
  if (options.chain && channel.channelId !== undefined && channel.chainBlock !== undefined) {
    const flows = await mpe.flows(channel.channelId, channel.sender, deps.fromBlock, channel.chainBlock);
    chain = { deposited: flows.deposited, claimed: flows.claimed, value: channel.chainValue };
    for (const { nonce, amount } of flows.claims) {
      const ours = await highestSigned(postgres.db, id, nonce);
      // More was claimed than we ever signed: the contract would not have allowed it.
      if (amount > ours) chainDrift += amount - ours;
    }
    const expected = flows.deposited - flows.claimed;
    // Less is there after the channel was closed and the rest went back to the sender.
    if (channel.chainValue !== expected && channel.chainValue !== 0n)
      chainDrift += outside(channel.chainValue, expected, expected);
  }
  return {
    channel,
    books,
    signed,
    chain,
    drift: { prepaid, escrow, chain: chainDrift, total: prepaid + escrow + chainDrift },
  };
}
