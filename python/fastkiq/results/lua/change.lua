-- Changes the record of one job and renews how long it lives. Answers 1 when it holds the payload, -1 when the writer
-- has no say: a later run does. That of an earlier one, which was taken for dead, only counts when it was done.
-- KEYS[1] the record. ARGV[1] the step: start, done, end or progress; ARGV[2] the run that writes, empty when it is
-- nobody's; ARGV[3] milliseconds to live; ARGV[4...] fields and values.
local key, step, run = KEYS[1], ARGV[1], ARGV[2]
if redis.call('TYPE', key).ok ~= 'hash' then redis.call('DEL', key) end
local current = redis.call('HGET', key, 'run')
local is_own = not current or run == '' or current == run
if step == 'progress' then
  if not is_own or (current and redis.call('HGET', key, 'status') ~= 'running') then return -1 end
else
  if step == 'end' and not is_own then return -1 end
  -- The first write frees memory, so that jobs end in a full Redis too.
  redis.call('HDEL', key, 'value', step == 'done' and 'error' or '')
  if step == 'start' then redis.call('HDEL', key, 'finished_at', 'progress') end
  if step == 'start' or (run ~= '' and current ~= run) then
    if type(redis.pcall('HINCRBY', key, 'attempts', 1)) == 'table' then redis.call('HSET', key, 'attempts', 1) end
  end
  redis.call('HSET', key, 'run', run)
end
redis.call('HSET', key, unpack(ARGV, 4))
redis.call('PEXPIRE', key, ARGV[3])
return redis.call('HEXISTS', key, 'payload')
