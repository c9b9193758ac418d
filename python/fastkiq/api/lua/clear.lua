-- Deletes a set or a queue, whatever the key holds; a queue from the set of queues, too. A script, since a full Redis refuses MULTI.
-- KEYS[1] retry, schedule, dead or queue:<name>   KEYS[2] queues, for a queue   ARGV[1] its name
-- Answers how many entries or jobs that were.
local kind = redis.call('TYPE', KEYS[1]).ok
local count = (kind == 'zset' and redis.call('ZCARD', KEYS[1])) or (kind == 'list' and redis.call('LLEN', KEYS[1])) or 0
redis.call('UNLINK', KEYS[1])
if KEYS[2] and redis.call('TYPE', KEYS[2]).ok == 'set' then
  redis.call('SREM', KEYS[2], ARGV[1])
end
return count
