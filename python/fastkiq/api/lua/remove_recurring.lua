-- Removes a recurring job and all that belongs to it, unless its definition has changed since it was read.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next   KEYS[3] fastkiq:cron:paused   KEYS[4] fastkiq:cron:orphans
-- KEYS[5] fastkiq:cron:history:<name>   KEYS[6] fastkiq:cron:held:<name>   KEYS[7] fastkiq:cron:seen:<name>
-- ARGV[1] name   ARGV[2] definition as it was read ("" = it is too long to be read)
-- Answers 1, or 0 when somebody else was faster.
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('UNLINK', KEYS[5], KEYS[6], KEYS[7])
return 1
