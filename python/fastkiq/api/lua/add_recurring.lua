-- Writes the definition of a recurring job, unless it has changed since it was read.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next   ARGV[1] name   ARGV[2] definition as it was read ("" = there was none)
-- ARGV[3] the new one   ARGV[4] its next tick ("" = as it is; "none" = it has none)
-- Answers 1, or 0 when somebody else was faster.
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
if ARGV[4] == 'none' then
  redis.call('ZREM', KEYS[2], ARGV[1])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] ~= '' and ARGV[4] ~= 'none' then
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
  redis.pcall('PUBLISH', 'fastkiq:scheduled', '') -- it may be nearer than the next look
end
return 1
