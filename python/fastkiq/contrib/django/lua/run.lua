-- Notes in the record of a Django task that a run of it begins, or how one has failed. Answers the whole record; an
-- empty list when there is none, which is then not made either: it would never expire.
-- KEYS[1] the record. ARGV[1] run or error; of a run, ARGV[2] the worker and ARGV[3] the time (epoch ms); of an
-- error, ARGV[2] the number of the run, ARGV[3] the error and ARGV[4] how many errors are kept.
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return {} end
if ARGV[1] == 'run' then
  local number = redis.call('HINCRBY', KEYS[1], 'django:runs', 1)
  redis.call('HSET', KEYS[1], 'django:worker:' .. number, ARGV[2])
  redis.call('HSETNX', KEYS[1], 'django:started_at', ARGV[3])
else
  redis.call('HDEL', KEYS[1], 'django:error:' .. (tonumber(ARGV[2]) - tonumber(ARGV[4])))
  redis.call('HSET', KEYS[1], 'django:error:' .. ARGV[2], ARGV[3])
end
return redis.call('HGETALL', KEYS[1])
