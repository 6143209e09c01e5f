"""Lua scripts that count quotas atomically in the store.

Each gets the keys of one account:

1. a hash for the day: ``total`` holds the bytes of the day, and each upload's UUID its own, after a ``=``
   once they are settled;
2. a sorted set of unfinished multipart uploads, by expiry time;
3. a hash of their second names.

The store's own commands do the arithmetic, because Lua would write large numbers with an exponent.
"""

from typing import Final

from uploadsvc.limiting.store import Script

_COMMON: Final = """
local day, open, names = KEYS[1], KEYS[2], KEYS[3]

local function close(upload)
  redis.call('ZREM', open, upload)
  redis.call('HDEL', names, upload)
end

local function subtract(size)
  -- "-0" is no integer to the store.
  if size ~= '0' then
    redis.call('HINCRBY', day, 'total', '-' .. size)
  end
end

local function release(upload, begun)
  close(upload)
  local size = redis.call('HGET', day, upload)
  if size and string.sub(size, 1, 1) ~= '=' then
    subtract(size)
    if begun then
      -- A request that began before its URL expired can still end: then its bytes count.
      redis.call('HSET', day, upload, '0')
    else
      redis.call('HDEL', day, upload)
    end
  end
end
"""

RESERVE: Final = Script(
    _COMMON
    + """
local now, day_seconds, kept = ARGV[1], ARGV[2], tonumber(ARGV[3])
local limit, most, room = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

for _, upload in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', now)) do
  release(upload, true)
end

local function keep(key, seconds)
  if redis.call('TTL', key) < seconds then
    redis.call('EXPIRE', key, seconds)
  end
end

local unfinished = redis.call('ZCARD', open)
local remembered = math.max(0, redis.call('HLEN', day) - 1)
local total = tonumber(redis.call('HGET', day, 'total') or '0')
local answer = {}
for i = 7, #ARGV, 3 do
  local upload, size, ends = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local verdict, used = 0, 0
  local known = redis.call('HEXISTS', day, upload) == 1 or redis.call('ZSCORE', open, upload)
  if known then
    verdict = 0
  elseif limit >= 0 and total + tonumber(size) > limit then
    verdict, used = 1, total
  elseif ends > 0 and most >= 0 and unfinished >= most then
    verdict = 2
    local first = redis.call('ZRANGE', open, 0, 0, 'WITHSCORES')
    used = tonumber(first[2] or '0')
  else
    if limit >= 0 then
      total = redis.call('HINCRBY', day, 'total', size)
      if remembered < room then
        redis.call('HSET', day, upload, size)
        remembered = remembered + 1
      end
      keep(day, tonumber(day_seconds))
    end
    if ends > 0 and unfinished < room then
      redis.call('ZADD', open, ARGV[i + 2], upload)
      unfinished = unfinished + 1
      keep(open, ends - tonumber(now) + kept)
    end
  end
  answer[#answer + 1] = verdict
  answer[#answer + 1] = used
end
return answer
"""
)

SETTLE: Final = Script(
    _COMMON
    + """
local upload, size = ARGV[1], ARGV[2]
close(upload)
local before = redis.call('HGET', day, upload)
if before then
  redis.call('HINCRBY', day, 'total', size)
  before = string.gsub(before, '=', '')
  subtract(before)
  redis.call('HSET', day, upload, '=' .. size)
end
return {}
"""
)

RELEASE: Final = Script(
    _COMMON
    + """
for i = 2, #ARGV do
  release(ARGV[i], ARGV[1] == '1')
end
return {}
"""
)

NAME: Final = Script(
    _COMMON
    + """
if redis.call('ZSCORE', open, ARGV[1]) then
  redis.call('HSET', names, ARGV[1], ARGV[2])
  redis.call('EXPIRE', names, redis.call('TTL', open))
end
return {}
"""
)

CLOSE_NAMED: Final = Script(
    _COMMON
    + """
local all = redis.call('HGETALL', names)
for i = 1, #all, 2 do
  if all[i + 1] == ARGV[1] then
    if ARGV[2] == '1' then
      release(all[i], true)
    else
      close(all[i])
    end
  end
end
return {}
"""
)
