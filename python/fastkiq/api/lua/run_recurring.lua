-- Enqueues a job of a recurring one now, beside its ticks, unless its definition has changed since it was read.
-- KEYS[1] fastkiq:cron   KEYS[2] queue:<name>   KEYS[3] queues   KEYS[4] fastkiq:cron:history:<name>
-- ARGV[1] name   ARGV[2] definition as it was read   ARGV[3] the job   ARGV[4] its queue   ARGV[5] jid   ARGV[6] kept history
-- Answers 1, or 0 when somebody else was faster.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('LPUSH', KEYS[2], ARGV[3])
-- Nothing after it fails: whoever is told of an error would enqueue it once more.
redis.pcall('SADD', KEYS[3], ARGV[4])
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
redis.pcall('LPUSH', KEYS[4], '{"tick":' .. now .. ',"at":' .. now .. ',"jid":"' .. ARGV[5] .. '","how":"manual"}')
redis.pcall('LTRIM', KEYS[4], 0, tonumber(ARGV[6]) - 1)
return 1
