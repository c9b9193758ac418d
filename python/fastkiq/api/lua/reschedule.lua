-- Gives an entry another time. KEYS[1] retry, schedule or dead   ARGV[1] entry as stored   ARGV[2] its new score
-- Answers 1, or 0 when it is not there any more: what somebody has taken meanwhile must not come back. Taken out first, so that a full Redis lets it.
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' or redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
