#!lua name=tandem_1_BUILD

-- What writes the hot store, inside the server: so that looking and writing are one step.
--
-- state, one key per log partition, never expires:
--   log, generation  which log the figures are of
--   incarnation      who may write
--   next, clock      progress: all sessions of this incarnation reflect the log up to here
--   until, done      the change under way: up to where it goes, and how many of its calls are done
-- session, one key per session, expires:
--   i                the incarnation it was written in; of another one it counts as absent
--   n, c             the cut it reflects
--   h                the session's own row
--   (two bytes on)   a row of totals each
--
-- The calls of a change are numbered, and each is taken only where the one before it was. A
-- replica that took over holds a prefix of all writes; where that prefix lacks one call of the
-- change, the next one finds the gap.
--
-- Numbers of Lua are exact only up to 2^53, and its comparison of strings depends on the locale.
-- So incarnations, offsets and clocks stay strings (decimal, no zeros in front) and are compared
-- for equality, or in halves.

-- Arguments per HSET; Lua's stack ends at 8,000. Even.
local ARGS_MAX = 4000

-- A status reply; the helper that makes one is not there while a library is loaded.
local LOST = { ok = 'LOST' }

local function beyond(left, right)
  if #left ~= #right then
    return #left > #right
  end
  local left_high, right_high = tonumber(left:sub(1, -11)) or 0, tonumber(right:sub(1, -11)) or 0
  if left_high ~= right_high then
    return left_high > right_high
  end
  return tonumber(left:sub(-10)) > tonumber(right:sub(-10))
end

local function set_fields(key, args, first, last)
  for from = first, last, ARGS_MAX do
    redis.call('HSET', key, unpack(args, from, math.min(from + ARGS_MAX - 1, last)))
  end
end

-- KEYS state; ARGV log, generation, incarnation, next, clock. 1 where it began, else 0.
local function begin(keys, args)
  local log, generation, incarnation, next, clock = unpack(args)
  local state = redis.call('HMGET', keys[1], 'log', 'generation', 'next')
  if state[2] and beyond(state[2], generation) then
    return 0
  end
  if state[1] == log and state[2] == generation and state[3] and beyond(state[3], next) then
    return 0
  end
  redis.call('HSET', keys[1], 'log', log, 'generation', generation, 'incarnation', incarnation,
    'next', next, 'clock', clock, 'until', next, 'done', '0')
  return 1
end

-- KEYS state, sessions; ARGV incarnation, base, next, clock, number of this call in the change
-- (from 1), expiry in seconds; then per session the count of what follows, and that: fields and
-- values. Which of the sessions are absent, from 0.
local function apply(keys, args)
  local incarnation, base, next, clock = args[1], args[2], args[3], args[4]
  local number, expiry_s = tonumber(args[5]), args[6]
  local state = redis.call('HMGET', keys[1], 'incarnation', 'next', 'until', 'done')
  if state[1] ~= incarnation then
    return LOST
  end
  -- The whole change is done already: all that is left is to say who is absent.
  local repeated = state[2] == next
  local advances = false
  if not repeated then
    if state[2] ~= base then
      return LOST
    end
    local done = 0
    if state[3] == next then
      done = tonumber(state[4])
    end
    if number > done + 1 then
      return LOST
    end
    advances = number == done + 1
  end
  local absent = {}
  local at = 7
  for position = 2, #keys do
    local key = keys[position]
    local first, last = at + 1, at + tonumber(args[at])
    at = last + 1
    local session = redis.call('HMGET', key, 'i', 'n')
    if session[1] ~= incarnation then
      absent[#absent + 1] = position - 2
    elseif not repeated and beyond(next, session[2]) then
      if last - first < ARGS_MAX then
        redis.call('HSET', key, 'n', next, 'c', clock, unpack(args, first, last))
      else
        redis.call('HSET', key, 'n', next, 'c', clock)
        set_fields(key, args, first, last)
      end
      redis.call('EXPIRE', key, expiry_s)
    end
  end
  -- Last: what fails above leaves the call undone, and it will be repeated.
  if advances then
    redis.call('HSET', keys[1], 'until', next, 'done', args[5])
  end
  return absent
end

-- KEYS state; ARGV incarnation, base, next, clock, count of the change's calls. Ends a change.
local function advance(keys, args)
  local incarnation, base, next, clock, count = unpack(args)
  local state = redis.call('HMGET', keys[1], 'incarnation', 'next', 'until', 'done')
  if state[1] ~= incarnation then
    return LOST
  end
  if state[2] == next then
    return 1
  end
  if state[2] ~= base or beyond(base, next) then
    return LOST
  end
  if count ~= '0' and (state[3] ~= next or state[4] ~= count) then
    return LOST
  end
  redis.call('HSET', keys[1], 'next', next, 'clock', clock, 'until', next, 'done', count)
  return 1
end

-- KEYS staging; ARGV expiry in seconds; then fields and values. Part of a session that is too
-- large to be put by one call.
local function stage(keys, args)
  set_fields(keys[1], args, 2, #args)
  redis.call('EXPIRE', keys[1], args[1])
  return 1
end

-- KEYS state, session, perhaps staging; ARGV incarnation, base ('' where not known), next, clock,
-- expiry in seconds, count of fields staged; then fields and values. 1 where it was put, else 0.
local function put(keys, args)
  local incarnation, base, next, clock, expiry_s, staged = unpack(args, 1, 6)
  local key, staging = keys[2], keys[3]
  local state = redis.call('HMGET', keys[1], 'incarnation', 'next', 'until')
  local session = redis.call('HMGET', key, 'i', 'n')
  local ours = state[1] == incarnation
  -- A call that was held up on its way, while a change went past, would bring back what was
  -- before that change.
  local held_up = base ~= '' and (state[2] ~= base or state[3] ~= base)
  local older = session[1] == incarnation and not beyond(next, session[2])
  local whole = not staging or redis.call('HLEN', staging) == tonumber(staged)
  if not ours or held_up or older or not whole then
    if staging then
      redis.call('UNLINK', staging)
    end
    return 0
  end
  redis.call('UNLINK', key)
  if staging then
    redis.call('RENAME', staging, key)
  end
  redis.call('HSET', key, 'i', incarnation, 'n', next, 'c', clock)
  set_fields(key, args, 7, #args)
  redis.call('EXPIRE', key, expiry_s)
  return 1
end

-- KEYS word; ARGV microseconds in which a unit comes back, burst, units wanted, fewest that are of
-- use, units spent without having been granted. Units granted; where none, microseconds until there
-- are enough. As `grant` in the crate tandem-limits, step by step.
local function take(keys, args)
  local interval, burst, want = tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  local least, debt = tonumber(args[4]), tonumber(args[5])
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local tolerance = interval * burst
  local known = tonumber(redis.call('GET', keys[1]) or '0')
  local word = math.min(math.max(known, now) + debt * interval, now + 2 * tolerance)
  word = math.max(word, known)
  local owed = math.max(word - now, 0)
  -- A little more than what rounding takes, so that a whole unit counts as one.
  local available = math.floor((tolerance - owed) / interval + 0.000001)
  least = math.max(math.min(least, burst), 1)
  local granted, wait = 0, 0
  if available < least then
    wait = math.ceil(owed + least * interval - tolerance)
  else
    granted = math.min(want, available)
    word = math.max(word, now) + granted * interval
  end
  if word > now then
    redis.call('SET', keys[1], string.format('%.3f', word), 'PX', math.ceil((word - now) / 1000))
  end
  return { granted, wait }
end

-- KEYS gateways; ARGV name, milliseconds for which one counts as present. How many are.
local function present(keys, args)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', keys[1], now, args[1])
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', now - args[2])
  redis.call('PEXPIRE', keys[1], args[2])
  return redis.call('ZCARD', keys[1])
end

redis.register_function('tandem_1_BUILD_begin', begin)
redis.register_function('tandem_1_BUILD_apply', apply)
redis.register_function('tandem_1_BUILD_advance', advance)
redis.register_function('tandem_1_BUILD_stage', stage)
redis.register_function('tandem_1_BUILD_put', put)
redis.register_function('tandem_1_BUILD_take', take)
redis.register_function('tandem_1_BUILD_present', present)
