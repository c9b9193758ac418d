-- Takes entries out of a sorted set, each exactly once whoever else tries, and puts them where they are wanted.
-- KEYS[1] retry, schedule or dead   KEYS[2] dead   KEYS[3] queues   KEYS[4..] queue:<name>
-- ARGV[1] bound of dead   ARGV[2] seconds a dead job is kept   then for each entry: as stored; as put there;
-- index of its target in KEYS (2 or above 3; 0 = nowhere, it is deleted); name of its queue
-- Answers {done, gone, not done since the target is of another type}. First of all an entry is taken out: that frees memory.
local function is(key, wanted)
  local kind = redis.call('TYPE', key).ok
  return kind == wanted or kind == 'none'
end
if not is(KEYS[1], 'zset') then
  return { 0, (#ARGV - 2) / 4, 0 }
end
local fits = { [0] = true, [2] = is(KEYS[2], 'zset') }
for i = 4, #KEYS do
  fits[i] = is(KEYS[i], 'list') and is(KEYS[3], 'set')
end
local done, gone, kept, killed = 0, 0, 0, false
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
for i = 3, #ARGV, 4 do
  local target = tonumber(ARGV[i + 2])
  if not fits[target] then
    kept = kept + 1
  else
    local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if redis.call('ZREM', KEYS[1], ARGV[i]) == 0 then
      gone = gone + 1
    else
      local put = true
      if target == 2 then
        put = redis.pcall('ZADD', KEYS[2], now, ARGV[i + 1])
      elseif target > 3 then
        put = redis.pcall('LPUSH', KEYS[target], ARGV[i + 1])
      end
      -- A user who may take out and not put in: it goes back, or it would be lost.
      if type(put) == 'table' and put.err then
        redis.call('ZADD', KEYS[1], score, ARGV[i])
        return put
      end
      if target > 3 then
        redis.call('SADD', KEYS[3], ARGV[i + 3])
      end
      killed = killed or target == 2
      done = done + 1
    end
  end
end
if killed then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', tonumber(time[1]) - tonumber(ARGV[2]))
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -tonumber(ARGV[1]))
end
return { done, gone, kept }
