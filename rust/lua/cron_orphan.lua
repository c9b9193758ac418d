-- Takes the time from a recurring job that no living process holds, and after a while the job.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next   KEYS[3] fastkiq:alive   KEYS[4] fastkiq:cron:orphans
-- KEYS[5] fastkiq:cron:held:<entry>   KEYS[6] fastkiq:cron:seen:<entry>   KEYS[7] fastkiq:cron:history:<entry>
-- ARGV[1] entry   ARGV[2] length of its definition   ARGV[3] seconds that it is kept
-- Answers "held", "orphaned" (just now), "waits", "removed" or "changed". An orphan's entry is "<since> <its next time or ''>".
if redis.call('HSTRLEN', KEYS[1], ARGV[1]) ~= tonumber(ARGV[2]) then
  return 'changed'
end
for _, holder in ipairs(redis.call('HKEYS', KEYS[5])) do
  if redis.call('ZSCORE', KEYS[3], holder) then
    redis.call('HDEL', KEYS[4], ARGV[1])
    return 'held'
  end
end
local now = tonumber(redis.call('TIME')[1])
local since = tonumber(string.match(redis.call('HGET', KEYS[4], ARGV[1]) or '', '^%d+') or nil)
if not since or since > now then -- a clock that was set back begins anew
  local at = redis.call('ZSCORE', KEYS[2], ARGV[1]) or string.match(redis.call('HGET', KEYS[4], ARGV[1]) or '', ' (.*)') or ''
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('HSET', KEYS[4], ARGV[1], now .. ' ' .. at)
  return 'orphaned'
end
if now - since < tonumber(ARGV[3]) then
  return 'waits'
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[5], KEYS[6], KEYS[7])
return 'removed'
