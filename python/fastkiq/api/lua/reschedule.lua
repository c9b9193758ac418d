-- Gives an entry another time. KEYS[1] retry, schedule or dead   ARGV[1] entry as stored   ARGV[2] its new score
-- Answers 1, or 0 when it is not there any more. XX: what somebody has taken meanwhile must not come back.
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' or not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1])
return 1
