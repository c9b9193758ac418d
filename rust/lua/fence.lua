-- Declares a process dead: from here on it can claim nothing, and its flights may be moved by anybody.
-- KEYS[1] fastkiq:alive   KEYS[2] fastkiq:tombs   KEYS[3] processes   KEYS[4] <id>:work   KEYS[5] fastkiq:machine:<machine>
-- ARGV[1] id   ARGV[2] the score it was last seen with, or "" when its death is proved
-- Answers 1, or 0 when it has beaten since or another process was faster.
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or (ARGV[2] ~= '' and score ~= ARGV[2]) then
  return 0
end
local time = redis.call('TIME')
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], time[1], ARGV[1])
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[4])
redis.call('HDEL', KEYS[5], ARGV[1])
return 1
