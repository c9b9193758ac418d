-- Removes a recurring job and its history, unless its definition has changed since it was read.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next   KEYS[3] fastkiq:cron:paused   KEYS[4] fastkiq:cron:history:<name>
-- ARGV[1] name   ARGV[2] definition as it was read
-- Answers 1, or 0 when somebody else was faster.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('UNLINK', KEYS[4])
return 1
