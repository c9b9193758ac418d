-- Takes a process that has given everything back out of all registries.
-- KEYS[1] fastkiq:alive   KEYS[2] fastkiq:process:<id>   KEYS[3] fastkiq:machine:<machine>   KEYS[4] fastkiq:flights:<id>
-- KEYS[5] processes   KEYS[6] <id>:work   KEYS[7] fastkiq:tombs   KEYS[8..] its flights that blocking moves feed   ARGV[1] id
-- Answers 1, or 0 when flights remain: they are to be moved by itself or by a neighbour.
-- It leaves a tombstone either way: a blocking move that outlived its connection may still land. With nothing left, one that is
-- taken away, and the process record with it, at the first sweep after five minutes: by then no such move can be waiting.
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[5], ARGV[1])
redis.call('DEL', KEYS[6])
redis.call('HDEL', KEYS[3], ARGV[1])
local now = tonumber(redis.call('TIME')[1])
if redis.call('EXISTS', KEYS[4], unpack(KEYS, 8)) > 0 then
  redis.call('ZADD', KEYS[7], now, ARGV[1])
  return 0
end
redis.call('ZADD', KEYS[7], now - 86400 + 300, ARGV[1])
return 1
