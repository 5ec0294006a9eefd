/** Jobs of many calls: the truth about what is to be done, what came of it, and whose turn it is. */
export const rpcJobsMigration = {
  id: '0006-rpc-jobs',
  sql: `
CREATE TABLE rpc_jobs (
  id            uuid PRIMARY KEY,
  chain_id      bigint NOT NULL,
  principal     text NOT NULL,
  state         text NOT NULL CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
  calls         integer NOT NULL CHECK (calls > 0),
  -- Answers so far. A call that the chain refused (a revert) is answered too: with an error.
  succeeded     integer NOT NULL DEFAULT 0,
  refused       integer NOT NULL DEFAULT 0,
  -- Calls in dead slices.
  dead          integer NOT NULL DEFAULT 0,
  retries       integer NOT NULL DEFAULT 0,
  result_bytes  bigint NOT NULL DEFAULT 0,
  open_slices   integer NOT NULL CHECK (open_slices >= 0),
  -- Grows with every redrive, so that each end is announced once.
  round         integer NOT NULL DEFAULT 1,
  created_at    timestamptz NOT NULL DEFAULT now(),
  started_at    timestamptz,
  finished_at   timestamptz,
  expires_at    timestamptz,
  callback_url      text,
  callback_state    text NOT NULL DEFAULT 'none' CHECK (callback_state IN ('none', 'waiting', 'due', 'delivered', 'failed')),
  callback_attempts integer NOT NULL DEFAULT 0,
  callback_at       timestamptz,
  callback_error    text,
  CHECK (succeeded + refused + dead <= calls)
);
CREATE INDEX rpc_jobs_by_principal ON rpc_jobs (chain_id, principal, id DESC);
CREATE INDEX rpc_jobs_expired ON rpc_jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX rpc_jobs_callbacks ON rpc_jobs (callback_at) WHERE callback_state = 'due';

CREATE TABLE rpc_job_slices (
  job_id      uuid NOT NULL REFERENCES rpc_jobs (id) ON DELETE CASCADE,
  slice       integer NOT NULL,
  chain_id    bigint NOT NULL,
  principal   text NOT NULL,
  state       text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'dead', 'cancelled')),
  -- What is still to be asked, and how many: JSON [[index, method, params], ...], as text, because jsonb refuses \\u0000.
  calls       text NOT NULL,
  size        integer NOT NULL,
  attempts    integer NOT NULL DEFAULT 0,
  due_at      timestamptz NOT NULL DEFAULT now(),
  -- Who works on it, and until when without a sign of life. The claim fences: only its holder may settle.
  claim       uuid,
  lease_until timestamptz,
  last_code   integer,
  last_error  text,
  PRIMARY KEY (job_id, slice)
);
CREATE INDEX rpc_job_slices_queued ON rpc_job_slices (chain_id, principal, due_at, job_id, slice) WHERE state = 'queued';
CREATE INDEX rpc_job_slices_leases ON rpc_job_slices (lease_until) WHERE state = 'running';
CREATE INDEX rpc_job_slices_dead ON rpc_job_slices (chain_id, principal, job_id, slice) WHERE state = 'dead';

CREATE TABLE rpc_job_results (
  job_id  uuid NOT NULL REFERENCES rpc_jobs (id) ON DELETE CASCADE,
  index   integer NOT NULL,
  ok      boolean NOT NULL,
  -- JSON text: the result, or {code, message, data?}.
  body    text NOT NULL,
  bytes   integer NOT NULL,
  PRIMARY KEY (job_id, index)
);

-- Stride scheduling: the principal with the smallest pass is next, and pays for its turn with the calls in it.
CREATE TABLE rpc_job_turns (
  chain_id  bigint NOT NULL,
  principal text NOT NULL,
  pass      double precision NOT NULL DEFAULT 0,
  PRIMARY KEY (chain_id, principal)
);
`,
} as const;
