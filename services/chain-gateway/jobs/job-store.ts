import { sql } from 'kysely';
import type { GatewayExecutor } from '../store/gateway-database.ts';
import { MAX_PAGE_BYTES, SLICE_CALLS } from './job-limits.ts';
import type { DeadLetter, JobView } from './job-schema.ts';
import type { JobState, StoredCall } from './job-types.ts';

interface Row {
  id: string;
  chain_id: number;
  state: JobState;
  calls: number;
  succeeded: number;
  refused: number;
  dead: number;
  retries: number;
  result_bytes: number;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  expires_at: Date | null;
  callback_url: string | null;
  callback_state: 'none' | 'waiting' | 'due' | 'delivered' | 'failed';
  callback_attempts: number;
  callback_error: string | null;
}

const COLUMNS = sql.raw(
  'id, chain_id, state, calls, succeeded, refused, dead, retries, result_bytes, created_at, started_at, finished_at, expires_at, callback_url, callback_state, callback_attempts, callback_error',
);

function viewOf(row: Row): JobView {
  const over = row.succeeded + row.refused + row.dead;
  return {
    id: row.id,
    chainId: row.chain_id,
    state: row.state,
    calls: row.calls,
    progress: {
      succeeded: row.succeeded,
      refused: row.refused,
      dead: row.dead,
      pending: row.calls - over,
      percent: Math.floor((over / row.calls) * 1000) / 10,
      retries: row.retries,
    },
    resultBytes: row.result_bytes,
    callback:
      row.callback_url === null || row.callback_state === 'none'
        ? null
        : {
            url: row.callback_url,
            state: row.callback_state,
            attempts: row.callback_attempts,
            error: row.callback_error,
          },
    createdAt: row.created_at.toISOString(),
    startedAt: row.started_at?.toISOString() ?? null,
    finishedAt: row.finished_at?.toISOString() ?? null,
    expiresAt: row.expires_at?.toISOString() ?? null,
  };
}

/** Calls of this principal that wait or run. */
export async function countOpenCalls(
  db: GatewayExecutor,
  chainId: number,
  principal: string,
): Promise<number> {
  const { rows } = await sql<{ open: number }>`
    SELECT coalesce(sum(size), 0)::int AS open FROM rpc_job_slices
    WHERE chain_id = ${chainId} AND principal = ${principal} AND state = 'queued'`.execute(db);
  return rows[0]?.open ?? 0;
}

/** Stores a job and its slices. A principal that was away starts beside the others, not with a credit for its absence. */
export async function insertJob(
  trx: GatewayExecutor,
  job: {
    id: string;
    chainId: number;
    principal: string;
    calls: readonly { method: string; params: readonly unknown[] }[];
    callbackUrl: string | undefined;
  },
): Promise<JobView> {
  const stored = job.calls.map(({ method, params }, index): StoredCall => [index, method, params]);
  const slices: StoredCall[][] = [];
  for (let from = 0; from < stored.length; from += SLICE_CALLS)
    slices.push(stored.slice(from, from + SLICE_CALLS));
  const { rows } = await sql<Row>`
    INSERT INTO rpc_jobs (id, chain_id, principal, state, calls, open_slices, callback_url, callback_state)
    VALUES (${job.id}, ${job.chainId}, ${job.principal}, 'queued', ${stored.length}, ${slices.length},
      ${job.callbackUrl ?? null}, ${job.callbackUrl === undefined ? 'none' : 'waiting'})
    RETURNING ${COLUMNS}`.execute(trx);
  await joinTurns(trx, job);
  await sql`
    INSERT INTO rpc_job_slices (job_id, slice, chain_id, principal, state, calls, size)
    SELECT ${job.id}, n - 1, ${job.chainId}, ${job.principal}, 'queued', calls, size
    FROM unnest(${slices.map((slice) => JSON.stringify(slice))}::text[], ${slices.map((slice) => slice.length)}::int[])
      WITH ORDINALITY AS s (calls, size, n)`.execute(trx);
  return viewOf(rows[0] as Row);
}

/** Lets a principal take turns from where those with work are: the smallest pass among them. */
async function joinTurns(trx: GatewayExecutor, owner: { chainId: number; principal: string }): Promise<void> {
  await sql`
    INSERT INTO rpc_job_turns AS t (chain_id, principal, pass)
    SELECT ${owner.chainId}, ${owner.principal}, coalesce(min(o.pass), 0) FROM rpc_job_turns o
    WHERE o.chain_id = ${owner.chainId} AND EXISTS (
      SELECT 1 FROM rpc_job_slices s WHERE s.chain_id = o.chain_id AND s.principal = o.principal AND s.state = 'queued')
    ON CONFLICT (chain_id, principal) DO UPDATE SET pass = greatest(t.pass, excluded.pass)`.execute(trx);
}

export async function findJob(
  db: GatewayExecutor,
  owner: { chainId: number; principal: string },
  id: string,
): Promise<JobView | undefined> {
  const { rows } = await sql<Row>`
    SELECT ${COLUMNS} FROM rpc_jobs WHERE id = ${id} AND chain_id = ${owner.chainId} AND principal = ${owner.principal}`.execute(
    db,
  );
  return rows[0] && viewOf(rows[0]);
}

/** Newest first. */
export async function listJobs(
  db: GatewayExecutor,
  owner: { chainId: number; principal: string },
  page: { state: JobState | undefined; before: string | undefined; limit: number },
): Promise<JobView[]> {
  const { rows } = await sql<Row>`
    SELECT ${COLUMNS} FROM rpc_jobs
    WHERE chain_id = ${owner.chainId} AND principal = ${owner.principal}
      AND (${page.state ?? null}::text IS NULL OR state = ${page.state ?? null})
      AND (${page.before ?? null}::uuid IS NULL OR id < ${page.before ?? null}::uuid)
    ORDER BY id DESC LIMIT ${page.limit}`.execute(db);
  return rows.map(viewOf);
}

/** Answers in the order of their index; a page ends early when it has many bytes, but has at least one. */
export async function listResults(
  db: GatewayExecutor,
  id: string,
  page: { after: number; limit: number },
): Promise<{ index: number; ok: boolean; body: string }[]> {
  const { rows } = await sql<{ index: number; ok: boolean; body: string }>`
    SELECT index, ok, body FROM (
      SELECT index, ok, body, bytes, sum(bytes) OVER (ORDER BY index) AS total FROM rpc_job_results
      WHERE job_id = ${id} AND index > ${page.after} ORDER BY index LIMIT ${page.limit}) r
    WHERE total - bytes < ${MAX_PAGE_BYTES} ORDER BY index`.execute(db);
  return rows;
}

/** Withdraws what is not done; what a worker has in hand is dropped when it next says that it is alive. */
export async function cancelJob(trx: GatewayExecutor, id: string, retentionMs: number): Promise<boolean> {
  const { rows } = await sql`
    UPDATE rpc_jobs SET state = 'cancelled', open_slices = 0, finished_at = now(),
      expires_at = now() + make_interval(secs => ${retentionMs / 1000}),
      callback_state = CASE WHEN callback_state = 'waiting' THEN 'due' ELSE callback_state END, callback_at = now()
    WHERE id = ${id} AND state IN ('queued', 'running') RETURNING 1`.execute(trx);
  if (rows.length === 0) return false;
  await sql`
    UPDATE rpc_job_slices SET state = 'cancelled', claim = NULL, lease_until = NULL
    WHERE job_id = ${id} AND state IN ('queued', 'running')`.execute(trx);
  return true;
}

/** Gives the dead slices of a job all their attempts again; a cancelled job stays cancelled. @returns how many slices */
export async function redriveJob(
  trx: GatewayExecutor,
  owner: { chainId: number; principal: string },
  id: string,
): Promise<number> {
  await joinTurns(trx, owner);
  const { rows } = await sql<{ size: number }>`
    UPDATE rpc_job_slices s SET state = 'queued', attempts = 0, due_at = now()
    FROM rpc_jobs j WHERE j.id = ${id} AND j.state <> 'cancelled' AND s.job_id = j.id AND s.state = 'dead'
    RETURNING s.size`.execute(trx);
  if (rows.length === 0) return 0;
  const calls = rows.reduce((sum, { size }) => sum + size, 0);
  await sql`
    UPDATE rpc_jobs SET state = 'running', dead = dead - ${calls}, open_slices = open_slices + ${rows.length},
      round = round + CASE WHEN finished_at IS NULL THEN 0 ELSE 1 END, finished_at = NULL, expires_at = NULL,
      callback_state = CASE WHEN callback_url IS NULL THEN 'none' ELSE 'waiting' END, callback_attempts = 0
    WHERE id = ${id}`.execute(trx);
  return rows.length;
}

export async function listDeadLetters(
  db: GatewayExecutor,
  owner: { chainId: number; principal: string },
  page: {
    jobId: string | undefined;
    after: readonly [jobId: string, slice: number] | undefined;
    limit: number;
  },
): Promise<DeadLetter[]> {
  const [jobId, slice] = page.after ?? [null, null];
  const { rows } = await sql<{
    job_id: string;
    slice: number;
    attempts: number;
    last_code: number | null;
    last_error: string | null;
    calls: string;
  }>`
    SELECT job_id, slice, attempts, last_code, last_error, calls FROM rpc_job_slices
    WHERE chain_id = ${owner.chainId} AND principal = ${owner.principal} AND state = 'dead'
      AND (${page.jobId ?? null}::uuid IS NULL OR job_id = ${page.jobId ?? null}::uuid)
      AND (${jobId}::uuid IS NULL OR (job_id, slice) > (${jobId}::uuid, ${slice}::int))
    ORDER BY job_id, slice LIMIT ${page.limit}`.execute(db);
  return rows.map((row) => ({
    jobId: row.job_id,
    slice: row.slice,
    attempts: row.attempts,
    error: { code: row.last_code, message: row.last_error },
    calls: (JSON.parse(row.calls) as StoredCall[]).map(([index, method, params]) => ({
      index,
      method,
      params: [...params],
    })),
  }));
}

/** Forgets jobs past their retention, with slices and results. @returns how many (at most `limit`) */
export async function pruneJobs(db: GatewayExecutor, limit = 20): Promise<number> {
  const result = await sql`
    DELETE FROM rpc_jobs WHERE id IN (SELECT id FROM rpc_jobs WHERE expires_at < now() LIMIT ${limit})`.execute(
    db,
  );
  return Number(result.numAffectedRows ?? 0);
}
