-- Takes one job out of its flight and puts what became of it where it belongs, in one step.
-- KEYS[1] flight   KEYS[2] retry, schedule or dead   KEYS[3] fastkiq:suspects
-- KEYS[4..7] stat:processed, stat:processed:<date>, stat:failed, stat:failed:<date>
-- ARGV[1] job as stored   ARGV[2] job as it is to be stored   ARGV[3] "in", "at", "dead" or "drop"   ARGV[4] seconds or time
-- ARGV[5] counted as: 1 processed and failed, 0 processed, -1 nothing   ARGV[6] suspect field or ""   ARGV[7] seconds to keep the daily counts
-- ARGV[8] bound of dead   ARGV[9] age bound of dead   ARGV[10] 1 = the job lies in no flight (basic fetch)
-- ARGV[11] when ARGV[1] and ARGV[2] are "": the length of a job that is too long to be one, and so to be sent here; stored as it is
-- Answers 1, or 0 when the job was not there: another process has it now and nothing is changed; WRONGTYPE before any change.
local kind = redis.call('TYPE', KEYS[2]).ok
if ARGV[3] ~= 'drop' and kind ~= 'zset' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is no sorted set: the job stays in its flight')
end
local job, payload = ARGV[1], ARGV[2]
if ARGV[11] then
  job = false
  for at = -1, -redis.call('LLEN', KEYS[1]), -1 do
    local found = redis.call('LINDEX', KEYS[1], at)
    if #found == tonumber(ARGV[11]) then
      job, payload = found, found
      break
    end
  end
  if not job then
    return 0
  end
end
if ARGV[10] == '1' then
  redis.call('DEL', KEYS[1]) -- frees nothing, but being a write it lets a full Redis take the rest
elseif redis.call('LREM', KEYS[1], -1, job) == 0 then
  return 0
end
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local function text(score)
  return string.format('%.6f', score)
end
if ARGV[3] == 'in' then
  redis.call('ZADD', KEYS[2], text(now + tonumber(ARGV[4])), payload)
elseif ARGV[3] == 'at' then
  redis.call('ZADD', KEYS[2], ARGV[4], payload)
elseif ARGV[3] == 'dead' then
  redis.call('ZADD', KEYS[2], text(now), payload)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now - tonumber(ARGV[9])))
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -tonumber(ARGV[8]))
end
if ARGV[6] ~= '' then
  redis.call('HDEL', KEYS[3], ARGV[6])
end
for i = 4, ({ ['1'] = 6, ['0'] = 4, ['-1'] = 0 })[ARGV[5]], 2 do
  redis.pcall('INCR', KEYS[i]) -- pcall: a count that cannot be raised is no reason to fail
  if redis.pcall('INCR', KEYS[i + 1]) == 1 then
    redis.call('EXPIRE', KEYS[i + 1], ARGV[7])
  end
end
return 1
