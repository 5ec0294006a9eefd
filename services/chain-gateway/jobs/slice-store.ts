import { sql } from 'kysely';
import type { GatewayExecutor, GatewayPostgres } from '../store/gateway-database.ts';
import type { CallAnswer, ClaimedSlice, StoredCall } from './job-types.ts';

/** A claim that is not renewed for this long belongs to a worker that is gone, milliseconds. */
export const DEFAULT_LEASE_MS = 20_000;

/**
 * Takes one slice that is due: of the principal whose turn it is, the one that has been due for longest. One
 * statement, one round trip. Workers that come at the same moment skip the principal that another one has in hand, so
 * a second look (`wait`) is needed before "nothing to do" is true.
 * @param claim a new id: the fence of this claim
 */
export async function claimSlice(
  db: GatewayExecutor,
  options: { chainId: number; claim: string; leaseMs: number; wait?: boolean },
): Promise<ClaimedSlice | undefined> {
  const { chainId, claim, leaseMs, wait = false } = options;
  const skip = wait ? sql`` : sql`SKIP LOCKED`;
  const { rows } = await sql<{
    job_id: string;
    slice: number;
    principal: string;
    calls: string;
    attempts: number;
    result_bytes: number;
  }>`
    WITH turn AS (
      SELECT t.principal FROM rpc_job_turns t
      WHERE t.chain_id = ${chainId} AND EXISTS (
        SELECT 1 FROM rpc_job_slices s
        WHERE s.chain_id = t.chain_id AND s.principal = t.principal AND s.state = 'queued' AND s.due_at <= now())
      ORDER BY t.pass, t.principal LIMIT 1 FOR UPDATE OF t ${skip}
    ), taken AS (
      SELECT s.job_id, s.slice, s.size FROM rpc_job_slices s, turn
      WHERE s.chain_id = ${chainId} AND s.principal = turn.principal AND s.state = 'queued' AND s.due_at <= now()
      ORDER BY s.due_at, s.job_id, s.slice LIMIT 1 FOR UPDATE OF s SKIP LOCKED
    ), paid AS (
      UPDATE rpc_job_turns t SET pass = t.pass + taken.size FROM turn, taken
      WHERE t.chain_id = ${chainId} AND t.principal = turn.principal
    ), begun AS (
      UPDATE rpc_jobs j SET state = 'running', started_at = now() FROM taken
      WHERE j.id = taken.job_id AND j.state = 'queued'
    )
    UPDATE rpc_job_slices s
    SET state = 'running', claim = ${claim}, lease_until = now() + make_interval(secs => ${leaseMs / 1000})
    FROM taken, rpc_jobs j
    WHERE s.job_id = taken.job_id AND s.slice = taken.slice AND j.id = taken.job_id
    RETURNING s.job_id, s.slice, s.principal, s.calls, s.attempts, j.result_bytes`.execute(db);
  const [row] = rows;
  return (
    row && {
      jobId: row.job_id,
      slice: row.slice,
      principal: row.principal,
      calls: JSON.parse(row.calls) as StoredCall[],
      attempts: row.attempts,
      claim,
      resultBytes: row.result_bytes,
    }
  );
}

/** Says that these claims are being worked on. @returns those that still hold; the others were cancelled or lost. */
export async function renewClaims(
  db: GatewayExecutor,
  claims: readonly string[],
  leaseMs: number,
): Promise<Set<string>> {
  if (claims.length === 0) return new Set();
  const { rows } = await sql<{ claim: string }>`
    UPDATE rpc_job_slices SET lease_until = now() + make_interval(secs => ${leaseMs / 1000})
    WHERE state = 'running' AND claim = ANY(${[...claims]}::uuid[]) RETURNING claim`.execute(db);
  return new Set(rows.map((row) => row.claim));
}

/** What becomes of a slice after an attempt. */
export type SliceEnd =
  | { readonly kind: 'done' }
  /** Asked again after `delayMs`; `counted` false when the attempt was only interrupted. */
  | {
      readonly kind: 'again';
      readonly delayMs: number;
      readonly counted: boolean;
      readonly left: readonly StoredCall[];
      readonly problem: Problem | undefined;
    }
  | { readonly kind: 'dead'; readonly left: readonly StoredCall[]; readonly problem: Problem };
type Problem = { readonly code: number; readonly message: string };

/**
 * Stores the answers and the end of an attempt in one database transaction, or nothing at all when the claim was lost
 * meanwhile: then somebody else asks these calls again, and each index gets exactly one answer.
 * @param retentionMs how long a finished job is kept
 * @returns false when the claim was lost
 */
export function settleSlice(
  postgres: GatewayPostgres,
  slice: ClaimedSlice,
  answers: readonly CallAnswer[],
  end: SliceEnd,
  retentionMs: number,
): Promise<boolean> {
  return postgres.transaction(async (trx) => {
    const problem = end.kind === 'done' ? undefined : end.problem;
    const left = end.kind === 'done' ? [] : end.left;
    const { rows } = await sql`
      UPDATE rpc_job_slices SET
        state = ${end.kind === 'again' ? 'queued' : end.kind}, claim = NULL, lease_until = NULL,
        calls = ${JSON.stringify(left)}, size = ${left.length},
        attempts = attempts + ${end.kind === 'again' && !end.counted ? 0 : 1},
        due_at = now() + make_interval(secs => ${end.kind === 'again' ? end.delayMs / 1000 : 0}),
        last_code = coalesce(${problem?.code ?? null}, last_code), last_error = coalesce(${problem?.message ?? null}, last_error)
      WHERE job_id = ${slice.jobId} AND slice = ${slice.slice} AND state = 'running' AND claim = ${slice.claim}
      RETURNING 1`.execute(trx);
    if (rows.length === 0) return false;
    const stored = await storeAnswers(trx, slice.jobId, answers);
    const over = end.kind !== 'again';
    await sql`
      UPDATE rpc_jobs SET
        succeeded = succeeded + ${stored.succeeded}, refused = refused + ${stored.refused},
        result_bytes = result_bytes + ${stored.bytes}, dead = dead + ${end.kind === 'dead' ? left.length : 0},
        retries = retries + ${end.kind === 'again' && end.counted ? 1 : 0}, open_slices = open_slices - ${over ? 1 : 0}
      WHERE id = ${slice.jobId}`.execute(trx);
    if (over) await finishJob(trx, slice.jobId, retentionMs);
    return true;
  });
}

async function storeAnswers(
  trx: GatewayExecutor,
  jobId: string,
  answers: readonly CallAnswer[],
): Promise<{ succeeded: number; refused: number; bytes: number }> {
  if (answers.length === 0) return { succeeded: 0, refused: 0, bytes: 0 };
  const { rows } = await sql<{ succeeded: number; refused: number; bytes: number }>`
    WITH stored AS (
      INSERT INTO rpc_job_results (job_id, index, ok, body, bytes)
      SELECT ${jobId}, a.index, a.ok, a.body, octet_length(a.body)
      FROM unnest(${answers.map((a) => a.index)}::int[], ${answers.map((a) => a.ok)}::boolean[], ${answers.map((a) => a.body)}::text[]) AS a (index, ok, body)
      ON CONFLICT DO NOTHING RETURNING ok, bytes
    )
    SELECT count(*) FILTER (WHERE ok)::int AS succeeded, count(*) FILTER (WHERE NOT ok)::int AS refused,
      coalesce(sum(bytes), 0)::int AS bytes FROM stored`.execute(trx);
  return rows[0] ?? { succeeded: 0, refused: 0, bytes: 0 };
}

/** Ends a job of which no slice is open any more, and asks for its callback. */
export async function finishJob(trx: GatewayExecutor, jobId: string, retentionMs: number): Promise<void> {
  await sql`
    UPDATE rpc_jobs SET
      state = CASE WHEN state = 'cancelled' THEN state WHEN dead > 0 THEN 'failed' ELSE 'completed' END,
      finished_at = now(), expires_at = now() + make_interval(secs => ${retentionMs / 1000}),
      callback_state = CASE WHEN callback_state = 'waiting' THEN 'due' ELSE callback_state END, callback_at = now()
    WHERE id = ${jobId} AND open_slices = 0 AND finished_at IS NULL`.execute(trx);
}

/**
 * Takes back the slices of workers that died. Each death counts as an attempt, so a slice that kills whoever touches
 * it ends among the dead letters. @returns how many were queued again
 */
export async function reclaimSlices(
  postgres: GatewayPostgres,
  options: { chainId: number; maxAttempts: number; retentionMs: number },
): Promise<number> {
  return postgres.transaction(async (trx) => {
    const { rows } = await sql<{ job_id: string; state: string; size: number }>`
      UPDATE rpc_job_slices SET
        state = CASE WHEN attempts + 1 >= ${options.maxAttempts} THEN 'dead' ELSE 'queued' END,
        attempts = attempts + 1, claim = NULL, lease_until = NULL, due_at = now(),
        last_error = 'the worker that had it went away in the middle'
      WHERE (job_id, slice) IN (
        SELECT job_id, slice FROM rpc_job_slices
        WHERE state = 'running' AND lease_until < now() AND chain_id = ${options.chainId} LIMIT 500 FOR UPDATE SKIP LOCKED)
      RETURNING job_id, state, size`.execute(trx);
    for (const { job_id, size } of rows.filter(({ state }) => state === 'dead')) {
      await sql`UPDATE rpc_jobs SET dead = dead + ${size}, open_slices = open_slices - 1 WHERE id = ${job_id}`.execute(
        trx,
      );
      await finishJob(trx, job_id, options.retentionMs);
    }
    return rows.filter(({ state }) => state === 'queued').length;
  });
}
