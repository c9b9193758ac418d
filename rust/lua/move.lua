-- Moves due jobs to their queues, each exactly once whoever else tries.
-- KEYS[1] schedule or retry   KEYS[2] dead   KEYS[3] queues   KEYS[4..] queue:<name>, one for each queue
-- ARGV[1] bound of dead   then for each job: job as stored; job as queued ("" = no job can be made of it: dead);
-- index of its queue in KEYS; queue name; job as dead keeps it ("" = as stored)
-- A job whose queue is no list goes to dead too. Answers {moved, dead}; WRONGTYPE when dead cannot take what has to go there:
-- all else is moved then, and these stay.
local function is(key, wanted)
  local kind = redis.call('TYPE', key).ok
  return kind == wanted or kind == 'none'
end
local fits = { [2] = is(KEYS[2], 'zset') }
for i = 4, #KEYS do
  fits[i] = is(KEYS[i], 'list')
end
local moved, dead, left = 0, 0, 0
for i = 2, #ARGV, 5 do
  local lost = ARGV[i + 1] == '' or not fits[tonumber(ARGV[i + 2])]
  if lost and not fits[2] then
    left = left + 1
  elseif redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    if lost then
      local time = redis.call('TIME')
      redis.call('ZADD', KEYS[2], time[1] .. '.' .. string.format('%06d', time[2]), ARGV[i + 4] ~= '' and ARGV[i + 4] or ARGV[i])
      redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -tonumber(ARGV[1]))
      dead = dead + 1
    else
      redis.call('LPUSH', KEYS[tonumber(ARGV[i + 2])], ARGV[i + 1])
      redis.call('SADD', KEYS[3], ARGV[i + 3])
      moved = moved + 1
    end
  end
end
if left > 0 then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is no sorted set: ' .. left .. ' entries stay where they are')
end
return { moved, dead }
