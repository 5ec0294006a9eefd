import { sql } from 'kysely';
import { type GatewayExecutor, jsonRows } from '../../store/gateway-database.ts';

export type CallMode = 'prepaid' | 'escrow' | 'free';

/** A call that is about to be made. */
export interface NewCall {
  readonly id: string;
  readonly channel: string | undefined;
  readonly org: string;
  readonly service: string;
  readonly method: string;
  readonly principal: string;
  readonly person: string | undefined;
  readonly mode: CallMode;
  readonly price: bigint;
  readonly holdSeconds: number;
  readonly idempotencyKey: string | undefined;
  readonly bodyHash: string | undefined;
}

/** How it ended. */
export interface EndedCall {
  readonly id: string;
  readonly state: 'answered' | 'failed' | 'lost';
  /** The daemon took the payment at first (and gave it back when the call failed). */
  readonly reached: boolean;
  readonly error: string | undefined;
  /** Kept for a repetition with the same Idempotency-Key. */
  readonly answer: string | undefined;
}

const CALL_RECORD =
  sql.raw(`(ordinal int, id uuid, channel uuid, org text, service text, method text, principal text,
  person text, mode text, price numeric, "holdSeconds" int, "idempotencyKey" text, "bodyHash" text)`);

/** Calls of the escrow and free modes: nothing to reserve, only to write down. */
export async function insertCalls(db: GatewayExecutor, calls: readonly NewCall[]): Promise<void> {
  await sql`insert into snet_calls (id, channel, org, service, method, principal, person, mode, price, state,
      hold_until, idempotency_key, body_hash)
    select id, channel, org, service, method, principal, person, mode, price, 'held',
      now() + make_interval(secs => "holdSeconds"), "idempotencyKey", "bodyHash"
    from jsonb_to_recordset(${jsonRows(calls)}) as c${CALL_RECORD}`.execute(db);
}

/** What the holds of a batch came to, with what the calls need next. */
export interface PrepaidHolds {
  readonly taken: ReadonlySet<string>;
  /** Credit that is left, cogs. */
  readonly left: bigint;
  readonly epoch: number;
  readonly planned: bigint;
  /** Sealed. */
  readonly token: string | undefined;
  readonly tokenUntil: Date | undefined;
  readonly channelId: bigint | undefined;
  readonly mpe: string;
}

/**
 * Prepaid calls of one channel: those that the bought credit covers, in the order given, are written down and their
 * price is taken from it, in one statement. The channel's row is locked first, so two replicas never sell the same.
 */
export async function holdPrepaid(
  db: GatewayExecutor,
  channel: string,
  calls: readonly NewCall[],
): Promise<PrepaidHolds> {
  const rows = calls.map((call, ordinal) => ({ ...call, ordinal }));
  const result = await sql<{
    taken: string[] | null;
    left: string;
    epoch: number;
    planned: string;
    token: string | null;
    until: Date | null;
    channel: string | null;
    mpe: string;
  }>`
    with ch as (select id, epoch, planned - committed as credit from snet_channels where id = ${channel} for update),
    asked as (
      select c.*, sum(price) over (order by ordinal) as running
      from jsonb_to_recordset(${jsonRows(rows)}) as c${CALL_RECORD}),
    taken as (
      insert into snet_calls (id, channel, epoch, org, service, method, principal, person, mode, price, state,
        hold_until, idempotency_key, body_hash)
      select a.id, ch.id, ch.epoch, a.org, a.service, a.method, a.principal, a.person, 'prepaid', a.price, 'held',
        now() + make_interval(secs => a."holdSeconds"), a."idempotencyKey", a."bodyHash"
      from asked a, ch where a.running <= ch.credit returning id, price),
    paid as (
      update snet_channels c set committed = committed + coalesce((select sum(price) from taken), 0)
      from ch where c.id = ch.id
      returning c.planned - c.committed as left_over, c.epoch, c.planned, c.token, c.token_until,
        c.channel_id, c.mpe)
    select (select array_agg(id::text) from taken) as taken, left_over::text as left, epoch, planned::text,
      token, token_until as until, channel_id::text as channel, mpe from paid`.execute(db);
  const row = result.rows[0];
  if (!row) throw new Error(`there is no channel row ${channel}`);
  return {
    taken: new Set(row.taken ?? []),
    left: BigInt(row.left),
    epoch: row.epoch,
    planned: BigInt(row.planned),
    token: row.token ?? undefined,
    tokenUntil: row.until ?? undefined,
    channelId: row.channel === null ? undefined : BigInt(row.channel),
    mpe: row.mpe,
  };
}

/** The daemon says that nothing is left although we thought so: believe it, unless more was bought since. */
export async function exhaustCredit(
  db: GatewayExecutor,
  channel: string,
  seen: { epoch: number; planned: bigint },
): Promise<void> {
  await sql`update snet_channels set committed = greatest(committed, planned), version = version + 1
    where id = ${channel} and epoch = ${seen.epoch} and planned = ${seen.planned.toString()}`.execute(db);
}

/** Ends calls that are still held; a failed prepaid call gives its price back to the credit of its epoch. */
export async function endCalls(db: GatewayExecutor, calls: readonly EndedCall[]): Promise<number> {
  const { rows } = await sql<{ ended: string }>`
    with done as (
      update snet_calls c set state = e.state, reached = e.reached, error = e.error, answer = e.answer, ended_at = now()
      from jsonb_to_recordset(${jsonRows(calls)}) as e(id uuid, state text, reached boolean, error text, answer text)
      where c.id = e.id and c.state = 'held' returning c.channel, c.epoch, c.mode, c.price, c.state),
    back as (
      select channel, epoch, sum(price) as amount from done where state = 'failed' and mode = 'prepaid' group by 1, 2),
    given as (
      update snet_channels c set committed = committed - back.amount from back
      where c.id = back.channel and c.epoch = back.epoch returning 1)
    select count(*)::text as ended from done`.execute(db);
  return Number(rows[0]?.ended ?? 0);
}

/** Calls whose process has died: nobody is charged; the daemon may have been paid, so the credit stays spent. */
export async function loseOverdueCalls(db: GatewayExecutor): Promise<number> {
  const { numAffectedRows } =
    await sql`update snet_calls set state = 'lost', reached = true, ended_at = now(),
      error = 'its gateway ended before the answer was written down' where state = 'held' and hold_until < now()`.execute(
      db,
    );
  return Number(numAffectedRows ?? 0n);
}

export interface KnownCall {
  readonly id: string;
  readonly state: 'held' | 'answered';
  readonly bodyHash: string | null;
  readonly answer: string | null;
  readonly mode: CallMode;
  readonly price: string;
}

/** The call that has this key already, under way or answered. */
export async function findByIdempotencyKey(
  db: GatewayExecutor,
  principal: string,
  key: string,
): Promise<KnownCall | undefined> {
  const { rows } = await sql<KnownCall>`
    select id, state, body_hash as "bodyHash", answer, mode, price::text from snet_calls
    where principal = ${principal} and idempotency_key = ${key} and state in ('held', 'answered')`.execute(
    db,
  );
  return rows[0];
}

/** Answers are kept for a day, for repetitions; who called what and for how much stays. */
export async function forgetAnswers(db: GatewayExecutor): Promise<void> {
  await sql`update snet_calls set answer = null where answer is not null and ended_at < now() - interval '1 day'`.execute(
    db,
  );
}
