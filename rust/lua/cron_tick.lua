-- Fires one tick of a recurring job, once whoever else tries: its entry must still have the time and the definition that were read.
-- KEYS[1] queue:<name>   KEYS[2] queues   KEYS[3] fastkiq:cron   KEYS[4] fastkiq:cron:next   KEYS[5] fastkiq:cron:paused
-- KEYS[6] fastkiq:cron:history:<entry>   KEYS[7] fastkiq:alive
-- ARGV[1] entry   ARGV[2] its time as it was read   ARGV[3] digest of its definition   ARGV[4] id of a process that holds it, or ""
-- ARGV[5] its next time, "" = none   ARGV[6] or the seconds from now to it, ""   ARGV[7] payload, "" = the tick is passed over
-- ARGV[8] queue name   ARGV[9] jid   ARGV[10] tick in epoch seconds   ARGV[11] how it fires   ARGV[12] most of the history
-- Answers 1 fired, 2 paused, 0 no longer so, or FENCED. The push comes first: where Redis refuses it nothing has changed.
if redis.call('ZSCORE', KEYS[4], ARGV[1]) ~= ARGV[2] then
  return 0
end
local definition = redis.call('HGET', KEYS[3], ARGV[1])
if not definition or redis.sha1hex(definition) ~= ARGV[3] then
  return 0
end
if ARGV[4] ~= '' and not redis.call('ZSCORE', KEYS[7], ARGV[4]) then
  return redis.status_reply('FENCED')
end
local paused = redis.call('SISMEMBER', KEYS[5], ARGV[1]) == 1
local pushes = ARGV[7] ~= '' and not paused
if pushes then
  redis.call('LPUSH', KEYS[1], ARGV[7])
end
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local at = ARGV[5]
if ARGV[6] ~= '' then
  at = string.format('%.3f', tonumber(now) + tonumber(ARGV[6]))
end
if at == '' then
  redis.call('ZREM', KEYS[4], ARGV[1])
else
  redis.call('ZADD', KEYS[4], at, ARGV[1])
end
-- What is no set or no list keeps no tick from being fired once.
if pushes then
  redis.pcall('SADD', KEYS[2], ARGV[8])
end
local line = '{"tick":' .. ARGV[10] .. ',"at":' .. now .. ',"jid":' .. (pushes and '"' .. ARGV[9] .. '"' or 'null')
  .. ',"how":"' .. (paused and 'paused' or ARGV[11]) .. '"}'
redis.pcall('LPUSH', KEYS[6], line)
redis.pcall('LTRIM', KEYS[6], 0, ARGV[12] - 1)
return paused and 2 or 1
