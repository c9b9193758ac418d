-- Acks jobs that succeeded and counts them, so that a crash neither loses nor doubles a count.
-- KEYS[1] fastkiq:suspects   KEYS[2..3] stat:processed, stat:processed:<date>   KEYS[4] fastkiq:flights:<id>   KEYS[5..] flights
-- ARGV[1] seconds to keep the daily count   ARGV[2] jobs to count that lie in no flight (basic fetch)
-- ARGV[3] number of suspect fields, then these   then for each flight: its member of KEYS[4]; -1 (the whole list) or a number of
-- jobs, then these jobs
-- Answers how many jobs were removed.
local at = 3 + tonumber(ARGV[3])
for i = 4, at, 1000 do -- unpack ends at some 8,000
  redis.call('HDEL', KEYS[1], unpack(ARGV, i, math.min(i + 999, at)))
end
local removed = tonumber(ARGV[2])
at = at + 1
for i = 5, #KEYS do
  local member, count = ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  if count < 0 then
    removed = removed + redis.call('LLEN', KEYS[i])
    redis.call('DEL', KEYS[i])
    redis.call('SREM', KEYS[4], member)
  else
    for j = at, at + count - 1 do
      removed = removed + redis.call('LREM', KEYS[i], -1, ARGV[j])
    end
    at = at + count
  end
end
if removed > 0 then
  if #KEYS < 5 then
    redis.call('DEL', KEYS[4]) -- a write that frees memory must come first, or a full Redis refuses to count
  end
  redis.pcall('INCRBY', KEYS[2], removed) -- pcall: a count that cannot be raised is no reason to fail
  if redis.pcall('INCRBY', KEYS[3], removed) == removed then
    redis.call('EXPIRE', KEYS[3], ARGV[1])
  end
end
return removed
