-- Moves due jobs to their queues, each exactly once whoever else tries.
-- KEYS[1] schedule or retry   KEYS[2] dead   KEYS[3] queues   KEYS[4..] queue:<name>, one for each queue
-- ARGV[1] bound of dead   then for each job: job as stored; job as queued ("" = no job can be made of it: dead, as stored);
-- index of its queue in KEYS; queue name
-- Answers {moved, dead}.
local moved, dead = 0, 0
for i = 2, #ARGV, 4 do
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    if ARGV[i + 1] == '' then
      local time = redis.call('TIME')
      redis.call('ZADD', KEYS[2], time[1] .. '.' .. string.format('%06d', time[2]), ARGV[i])
      redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -tonumber(ARGV[1]))
      dead = dead + 1
    else
      redis.call('LPUSH', KEYS[tonumber(ARGV[i + 2])], ARGV[i + 1])
      redis.call('SADD', KEYS[3], ARGV[i + 3])
      moved = moved + 1
    end
  end
end
return { moved, dead }
