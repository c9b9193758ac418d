-- Says that a process holds a definition of a recurring job, and makes it the one in force if no living process holds a newer one: newest is
-- whose digest was first seen last.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next   KEYS[3] fastkiq:alive   KEYS[4] fastkiq:cron:orphans
-- KEYS[5] fastkiq:cron:held:<entry>   KEYS[6] fastkiq:cron:seen:<entry>
-- ARGV[1] id   ARGV[2] entry   ARGV[3] digest of what the process declares   ARGV[4] digest of what was read in Redis, "" = nothing
-- ARGV[5] definition as it is to be kept   ARGV[6] "keep", "none" or its next time   ARGV[7] most digests that are remembered
-- Answers "won", "lost", "changed" (read again) or "fenced".
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  return 'fenced'
end
local time = redis.call('TIME')
redis.call('HSET', KEYS[5], ARGV[1], ARGV[3])
redis.call('HSETNX', KEYS[6], ARGV[3], time[1] .. '.' .. string.format('%06d', time[2]))
local held = redis.call('HGETALL', KEYS[5])
local newest, since, living = ARGV[3], -1, {}
for i = 1, #held, 2 do
  if redis.call('ZSCORE', KEYS[3], held[i]) then
    local digest = held[i + 1]
    living[digest] = true
    local seen = tonumber(redis.call('HGET', KEYS[6], digest) or 0) or 0
    if seen > since or (seen == since and digest > newest) then
      newest, since = digest, seen
    end
  else
    redis.call('HDEL', KEYS[5], held[i])
  end
end
if redis.call('HLEN', KEYS[6]) > tonumber(ARGV[7]) then
  for _, digest in ipairs(redis.call('HKEYS', KEYS[6])) do
    if not living[digest] then
      redis.call('HDEL', KEYS[6], digest)
    end
  end
end
if newest ~= ARGV[3] then
  return 'lost'
end
local stored = redis.call('HGET', KEYS[1], ARGV[2])
if (stored and redis.sha1hex(stored) or '') ~= ARGV[4] then
  return 'changed'
end
if stored ~= ARGV[5] then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[5])
end
redis.call('HDEL', KEYS[4], ARGV[2])
if ARGV[6] == 'none' then
  redis.call('ZREM', KEYS[2], ARGV[2])
elseif ARGV[6] ~= 'keep' then
  redis.call('ZADD', KEYS[2], ARGV[6], ARGV[2])
end
return 'won'
