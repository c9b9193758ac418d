-- Takes a process that has given everything back out of all registries.
-- KEYS[1] fastkiq:alive   KEYS[2] fastkiq:process:<id>   KEYS[3] fastkiq:machine:<machine>   KEYS[4] fastkiq:flights:<id>
-- KEYS[5] processes   KEYS[6] <id>:work   KEYS[7] fastkiq:tombs   ARGV[1] id
-- Answers 1, or 0 when flights remain: then it leaves a tombstone and a neighbour moves them.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[5], ARGV[1])
redis.call('DEL', KEYS[6])
redis.call('HDEL', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[4]) == 1 then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[7], time[1], ARGV[1])
  return 0
end
redis.call('DEL', KEYS[2])
return 1
