"""What happens to a vendor's shared state, each time in one step on Valkey and by Valkey's clock.

The state is one hash. ``state`` is absent (closed), ``open`` or ``half_open``; ``until`` is when the rest, or the
lease of the probe, ends; ``generation`` changes with every change of state, so that the outcome of a call that
was let through before the change is told from the probe's. ``window``, ``answers``, ``failures`` and the same
with ``_before`` are the counts; ``tokens`` and ``refilled`` the retry budget. Times are in µs of Unix time,
tokens in millionths of a retry.
"""

#: Without use for so long, a vendor's state is forgotten.
FORGOTTEN_AFTER = 86_400_000  # milliseconds

_COMMON = f"""
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local s = {{}}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do s[flat[i]] = tonumber(flat[i + 1]) or flat[i + 1] end

local function put(name, value)
  s[name] = value
  if type(value) == 'number' then value = string.format('%.0f', value) end
  redis.call('HSET', key, name, value)
end

local function become(state, lasts)
  put('generation', math.max((s.generation or 0) + 1, now))
  if state == 'closed' then
    redis.call('HDEL', key, 'state', 'until', 'window', 'answers', 'failures', 'answers_before', 'failures_before')
    s.state = nil
  else
    put('state', state)
    put('until', now + lasts)
  end
end

local function refill(floor, most, deposit)
  local since = math.max(0, now - (s.refilled or now))
  put('tokens', math.min(most, (s.tokens or most) + math.floor(since * floor) + deposit))
  put('refilled', now)
end

local function done(...)
  redis.call('PEXPIRE', key, {FORGOTTEN_AFTER})
  return {{...}}
end
"""

#: May this call be made? Arguments: rest and probe lease (µs), first attempt (1 or 0), the budget's deposit, floor
#: and most. Returns allowed (1 or 0), the generation, and how long to wait otherwise (µs).
ENTER = f"""{_COMMON}
local rest, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
if s.state then
  local limit = s.state == 'open' and rest or lease
  local left = s['until'] - now
  if left > limit then  -- the clock was set back, or the policy changed
    left = limit
    put('until', now + limit)
  end
  if left > 0 then return done(0, s.generation, left) end
  become('half_open', lease)
end
if ARGV[3] == '1' then refill(tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[4])) end
return done(1, s.generation or 0, 0)
"""

#: Here is how it went. Arguments: the generation, verdict (ok, failed or none), retry wanted (1 or 0), rest and window
#: (µs), failures and share that open, the budget's floor and most. Returns what the breaker did (0 nothing,
#: 1 opened, 2 opened again after the probe, 3 closed) and whether the retry is granted (1 or 0).
LEAVE = f"""{_COMMON}
local verdict, rest, window = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local did = 0

local function roll()
  local age = now - (s.window or now)
  if not s.window or age < 0 or age >= 2 * window then
    put('window', now)
    put('answers_before', 0) put('failures_before', 0) put('answers', 0) put('failures', 0)
  elseif age >= window then
    put('window', s.window + window)
    put('answers_before', s.answers) put('failures_before', s.failures) put('answers', 0) put('failures', 0)
  end
end

local function count()
  roll()
  local name = verdict == 'ok' and 'answers' or 'failures'
  put(name, s[name] + 1)
  local left = 1 - (now - s.window) / window
  local failures = s.failures + s.failures_before * left
  local all = failures + s.answers + s.answers_before * left
  if verdict == 'failed' and failures >= tonumber(ARGV[6]) and failures >= tonumber(ARGV[7]) * all then
    become('open', rest)
    did = 1
  end
end

if tonumber(ARGV[1]) == (s.generation or 0) then
  if s.state == 'half_open' then
    if verdict == 'ok' then
      become('closed')
      did = 3
    elseif verdict == 'failed' then
      become('open', rest)
      did = 2
    else
      put('until', now)  -- the next call is the probe
    end
  elseif not s.state and verdict ~= 'none' then
    count()
  end
end

local granted = 0
if ARGV[3] == '1' and not s.state then
  refill(tonumber(ARGV[8]), tonumber(ARGV[9]), 0)
  if s.tokens >= 1000000 then
    put('tokens', s.tokens - 1000000)
    granted = 1
  end
end
return done(did, granted)
"""
