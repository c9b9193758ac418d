-- Gives a recurring job another next time, or none, if it still has the one and the definition that were read.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next
-- ARGV[1] entry   ARGV[2] its time as it was read, "" = none   ARGV[3] length of its definition   ARGV[4] its next time, "" = none
-- Answers 1, or 0 when it was no longer so.
if (redis.call('ZSCORE', KEYS[2], ARGV[1]) or '') ~= ARGV[2] or redis.call('HSTRLEN', KEYS[1], ARGV[1]) ~= tonumber(ARGV[3]) then
  return 0
end
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
return 1
