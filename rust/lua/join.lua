-- Enters a process into the registry of those who live, before it claims anything.
-- KEYS[1] fastkiq:alive   KEYS[2] fastkiq:process:<id>   KEYS[3] fastkiq:machine:<machine>
-- ARGV[1] id   ARGV[2] pid and start time, or "" when no death could be proved   then pairs for the process record
-- Answers {seconds, microseconds} of Redis's clock.
redis.call('DEL', KEYS[2]) -- a first write that frees memory: a full Redis lets a worker in to drain it
local time = redis.call('TIME')
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
end
redis.call('ZADD', KEYS[1], time[1] .. '.' .. string.format('%06d', time[2]), ARGV[1])
return { tonumber(time[1]), tonumber(time[2]) }
