-- Renews the lease of a process that is still registered.
-- KEYS[1] fastkiq:alive   ARGV[1] id
-- Answers FENCED, or {seconds, microseconds} of Redis's clock. ZREM first: a write that frees memory passes in a full Redis.
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
  return redis.status_reply('FENCED')
end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] .. '.' .. string.format('%06d', time[2]), ARGV[1])
return { tonumber(time[1]), tonumber(time[2]) }
