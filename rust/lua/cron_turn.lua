-- Whose turn it is to look after all recurring jobs: one process for all, once in so many seconds.
-- KEYS[1] fastkiq:cron:swept   ARGV[1] seconds   ARGV[2] 1 = at once
-- Answers 1 or 0. No expiring key: a clock that is set back would keep it for as long as it was ahead.
local now, last = tonumber(redis.call('TIME')[1]), tonumber(redis.call('GET', KEYS[1]) or 0) or 0
if ARGV[2] ~= '1' and last <= now and now - last < tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], now)
return 1
