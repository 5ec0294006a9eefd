/**
 * The hold protocol in Redis, as Lua. One script is one step: Redis runs nothing else meanwhile, but it never rolls
 * back either, so every script validates before its first write.
 *
 * Keys, all in one hash slot: 1 generation · 2 purse · 3 holds · 4 deadlines · 5 done · 6 log.
 * - purse: generation, epoch, limits; `lease` and what `remaining` of it; `inflight`; and per lease what was granted
 *   (`g:`), is held (`h:`), was settled (`s:`) and will go back unspent (`u:`): g = remaining + h + s + u, always.
 * - holds: call id → `lease|amount|method`; deadlines: call id by the time at which it returns by itself.
 * - done: call ids that ended lately, so that a command repeated by a reconnect finds the call over.
 * - log: how calls ended, until the ledger worker has posted it to Postgres.
 *
 * Time is Redis's own, so that replicas with different clocks agree on deadlines. A line that ends with `--@name` is
 * a guard: the mutation test removes one after the other and must see a difference.
 */

/** Milliseconds for which an ended call id is remembered: longer than any reconnect repeats a command. */
export const DONE_MS = 60_000;
/** Overdue holds that one call cleans up after others; the rest is left to the next call and to the sweeper. */
const EXPIRE_PER_HOLD = 16;
const EXPIRE_PER_SWEEP = 500;
/** A purse that nobody has opened for this long forgets that it was closed. */
const PURSE_TTL_MS = 24 * 60 * 60_000;

const PRELUDE = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function finish(id, allotment, state, charge, units)
  local known = redis.call('HGET', KEYS[3], id)
  if not known then return nil end --@terminal-once
  local lease, held, method = string.match(known or '0|0|', '^(%d+)|(%d+)|(.*)$')
  held = tonumber(held)
  if charge > held then charge = held end --@actual-within-held
  local p = redis.call('HMGET', KEYS[2], 'lease', 'fenced')
  redis.call('HDEL', KEYS[3], id)
  redis.call('ZREM', KEYS[4], id)
  redis.call('ZADD', KEYS[5], now + ${DONE_MS}, id)
  redis.call('HINCRBY', KEYS[2], 'inflight', -1)
  redis.call('HINCRBY', KEYS[2], 'h:' .. lease, -held)
  redis.call('HINCRBY', KEYS[2], 's:' .. lease, charge)
  local back = 'remaining'
  if lease ~= p[1] or lease == p[2] then back = 'u:' .. lease end --@fenced-stays-shut
  redis.call('HINCRBY', KEYS[2], back, held - charge)
  redis.call('XADD', KEYS[6], '*', 'a', allotment, 'l', lease, 'c', id, 's', state, 'h', held, 'x', charge, 'u', units, 'm', method, 't', now)
  return charge
end
local function expire(allotment, most)
  local due = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, most)
  for _, id in ipairs(due) do finish(id, allotment, 'expired', 0, 0) end
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
end
`;

/**
 * ARGV: generation, allotment, epoch, call id, units, milliseconds until it expires, method, longest log.
 * Answers HELD remaining · LOST · COLD · REVOKED · EARLY · EXPIRED · DONE · CONFLICT · PER_CALL most · BUSY most ·
 * LOW remaining · BEHIND.
 */
const HOLD = `${PRELUDE}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'LOST'} end --@generation
local p = redis.call('HMGET', KEYS[2], 'generation', 'epoch', 'lease', 'maxInFlight', 'maxPerCall', 'validAfter', 'validBefore', 'price')
if p[1] ~= ARGV[1] then return {'COLD'} end --@cold
if tonumber(p[2] or '0') < tonumber(ARGV[3]) then return {'COLD'} end
if tonumber(p[2]) > tonumber(ARGV[3]) then return {'REVOKED'} end --@epoch
if now < tonumber(p[6]) then return {'EARLY'} end --@valid-after
if now >= tonumber(p[7]) then return {'EXPIRED'} end --@valid-before
local amount = tonumber(ARGV[5]) * tonumber(p[8])
local known = redis.call('HGET', KEYS[3], ARGV[4])
if known and string.match(known, '^%d+|(%d+)|') ~= string.format('%.0f', amount) then return {'CONFLICT'} end --@conflict
if known then return {'HELD', redis.call('HGET', KEYS[2], 'remaining')} end --@idempotent
if redis.call('ZSCORE', KEYS[5], ARGV[4]) then return {'DONE'} end --@done
if amount > tonumber(p[5]) then return {'PER_CALL', p[5]} end --@per-call
expire(ARGV[2], ${EXPIRE_PER_HOLD}) --@expire
local q = redis.call('HMGET', KEYS[2], 'remaining', 'inflight')
if tonumber(q[2]) >= tonumber(p[4]) then return {'BUSY', p[4]} end --@in-flight
if tonumber(q[1]) < amount then return {'LOW', q[1]} end --@remaining
if redis.call('XLEN', KEYS[6]) >= tonumber(ARGV[8]) then return {'BEHIND'} end --@backlog
amount = string.format('%.0f', amount)
redis.call('HINCRBY', KEYS[2], 'inflight', 1)
redis.call('HINCRBY', KEYS[2], 'h:' .. p[3], amount)
redis.call('HSET', KEYS[3], ARGV[4], p[3] .. '|' .. amount .. '|' .. ARGV[7])
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[6]), ARGV[4])
return {'HELD', redis.call('HINCRBY', KEYS[2], 'remaining', '-' .. amount)}
`;

/** ARGV: generation, allotment, call id, `settled` or `released`, units. Answers ENDED charge · GONE. */
const FINISH = `${PRELUDE}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'GONE'} end
local p = redis.call('HMGET', KEYS[2], 'generation', 'price')
if p[1] ~= ARGV[1] then return {'GONE'} end --@same-life
local charge = 0
if ARGV[4] == 'settled' then charge = tonumber(ARGV[5]) * tonumber(p[2]) end
charge = finish(ARGV[3], ARGV[2], ARGV[4], charge, ARGV[5])
if not charge then return {'GONE'} end
return {'ENDED', charge}
`;

/**
 * ARGV: generation, epoch, lease, granted in all, most in flight, most per call, valid after, valid before, price.
 * Says what was granted in all, not what to add: repeated, or after a lost one, it comes to the same.
 * Answers LOADED remaining · LOST · STALE.
 */
const LOAD = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'LOST'} end --@generation
local p = redis.call('HMGET', KEYS[2], 'generation', 'lease', 'fenced', 'epoch', 'remaining')
if p[1] ~= ARGV[1] then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HSET', KEYS[2], 'generation', ARGV[1], 'lease', ARGV[3], 'fenced', 0, 'remaining', 0, 'inflight', 0)
  p = {ARGV[1], ARGV[3], '0', '0', '0'}
end
local lease = tonumber(ARGV[3])
if lease < tonumber(p[2]) or lease <= tonumber(p[3]) then return {'STALE'} end --@lease-order
if lease > tonumber(p[2]) then
  redis.call('HINCRBY', KEYS[2], 'u:' .. p[2], p[5])
  redis.call('HSET', KEYS[2], 'lease', ARGV[3], 'remaining', 0)
end
local granted = tonumber(redis.call('HGET', KEYS[2], 'g:' .. ARGV[3]) or '0')
local more = tonumber(ARGV[4]) - granted
if more < 0 then more = 0 end --@only-grow
redis.call('HINCRBY', KEYS[2], 'g:' .. ARGV[3], string.format('%.0f', more))
local epoch = ARGV[2]
if tonumber(p[4] or '0') > tonumber(epoch) then epoch = p[4] end --@epoch-only-rises
redis.call('HSET', KEYS[2], 'epoch', epoch, 'maxInFlight', ARGV[5], 'maxPerCall', ARGV[6], 'validAfter', ARGV[7], 'validBefore', ARGV[8], 'price', ARGV[9])
redis.call('PERSIST', KEYS[2])
return {'LOADED', redis.call('HINCRBY', KEYS[2], 'remaining', string.format('%.0f', more))}
`;

/** ARGV: generation, lease. From now on the lease gives no holds, and what comes back to it stays apart. */
const FENCE = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'LOST'} end
local p = redis.call('HMGET', KEYS[2], 'generation', 'lease', 'fenced', 'remaining')
if p[1] ~= ARGV[1] then
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HSET', KEYS[2], 'generation', ARGV[1], 'lease', ARGV[2], 'fenced', ARGV[2], 'remaining', 0, 'inflight', 0, 'epoch', 0, 'maxInFlight', 0, 'maxPerCall', 0, 'validAfter', 0, 'validBefore', 0, 'price', 1)
  return {'FENCED'}
end
if tonumber(ARGV[2]) < tonumber(p[2]) or tonumber(p[3]) >= tonumber(ARGV[2]) then return {'FENCED'} end
redis.call('HINCRBY', KEYS[2], 'u:' .. p[2], p[4])
redis.call('HSET', KEYS[2], 'lease', ARGV[2], 'fenced', ARGV[2], 'remaining', 0)
return {'FENCED'}
`;

/**
 * ARGV: generation, allotment, lease. Sweeps overdue holds, then answers what the lease came to and how far the log
 * reaches: SEEN current-lease granted held settled unspent remaining in-flight last-log-id · COLD · LOST.
 */
const LOOK = `${PRELUDE}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'LOST'} end
if redis.call('HGET', KEYS[2], 'generation') ~= ARGV[1] then return {'COLD'} end
expire(ARGV[2], ${EXPIRE_PER_SWEEP}) --@sweep
local l = ARGV[3]
local p = redis.call('HMGET', KEYS[2], 'lease', 'g:' .. l, 'h:' .. l, 's:' .. l, 'u:' .. l, 'remaining', 'inflight', 'fenced')
local last = redis.call('XREVRANGE', KEYS[6], '+', '-', 'COUNT', 1)
local remaining = 0
if p[1] == l then remaining = p[6] end
return {'SEEN', p[1], p[2] or 0, p[3] or 0, p[4] or 0, p[5] or 0, remaining, p[7], last[1] and last[1][1] or '0-0', p[8] or 0}
`;

/** ARGV: generation, lease. Forgets the counters of a lease that Postgres has closed. */
const FORGET = `
if redis.call('HGET', KEYS[2], 'generation') ~= ARGV[1] then return {'GONE'} end
redis.call('HDEL', KEYS[2], 'g:' .. ARGV[2], 'h:' .. ARGV[2], 's:' .. ARGV[2], 'u:' .. ARGV[2])
if redis.call('HGET', KEYS[2], 'lease') == ARGV[2] then redis.call('PEXPIRE', KEYS[2], ${PURSE_TTL_MS}) end
return {'FORGOT'}
`;

/** ARGV: generation, epoch, allotment, channel. A token of an earlier epoch gets no hold after this. */
const REVOKE = `
redis.call('PUBLISH', ARGV[4], ARGV[3] .. ' ' .. ARGV[2])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'LOST'} end
if redis.call('HGET', KEYS[2], 'generation') ~= ARGV[1] then return {'COLD'} end
if tonumber(redis.call('HGET', KEYS[2], 'epoch') or '0') < tonumber(ARGV[2]) then redis.call('HSET', KEYS[2], 'epoch', ARGV[2]) end
return {'REVOKED'}
`;

export const PURSE_SCRIPTS = {
  hold: HOLD,
  finish: FINISH,
  load: LOAD,
  fence: FENCE,
  look: LOOK,
  forget: FORGET,
  revoke: REVOKE,
} as const;
export type PurseScripts = Readonly<Record<keyof typeof PURSE_SCRIPTS, string>>;

/** Names of the guards of a script, in order. */
export const guardsOf = (script: string): string[] => [
  ...new Set([...script.matchAll(/--@([a-z-]+)/g)].map((match) => match[1] as string)),
];

/** The script without one of its guards; for the mutation test only. */
export const withoutGuard = (script: string, guard: string): string =>
  script
    .split('\n')
    .filter((line) => !line.endsWith(`--@${guard}`))
    .join('\n');
