-- Moves jobs out of a dead process's flight: to the front of their queue, or to dead when they keep killing processes.
-- KEYS[1] flight   KEYS[2] queue:<name>   KEYS[3] queues   KEYS[4] fastkiq:suspects   KEYS[5] dead   KEYS[6] fastkiq:flights:<id>
-- KEYS[7] fastkiq:alive
-- ARGV[1] queue name   ARGV[2] member of KEYS[6]   ARGV[3] bound of dead   ARGV[4] age bound of dead   ARGV[5] id
-- then for each job, newest first: job, suspect field, its mark as read ("" = none), its mark from now on, "1" when it is to go to dead, job as dead
-- keeps it ("" = as stored). A job whose queue is no list goes to dead too. Answers {moved, dead, jobs whose mark had changed: read them again};
-- WRONGTYPE when dead cannot take what has to go there: that stays in the flight.
local function is(key, wanted)
  local kind = redis.call('TYPE', key).ok
  return kind == wanted or kind == 'none'
end
if redis.call('ZSCORE', KEYS[7], ARGV[5]) then
  return { 0, 0, 0 } -- it lives
end
local queue_fits, dead_fits = is(KEYS[2], 'list'), is(KEYS[5], 'zset')
local moved, dead, changed, left = 0, 0, 0, 0
for i = 6, #ARGV, 6 do
  local job, field, before, after = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local dies, corpse = ARGV[i + 4] == '1' or not queue_fits, ARGV[i + 5]
  if (redis.call('HGET', KEYS[4], field) or '') ~= before then
    changed = changed + 1
  elseif dies and not dead_fits then
    left = left + 1
  elseif redis.call('LREM', KEYS[1], 1, job) == 1 then
    if dies then
      local time = redis.call('TIME')
      redis.call('HDEL', KEYS[4], field)
      redis.call('ZADD', KEYS[5], time[1] .. '.' .. string.format('%06d', time[2]), corpse ~= '' and corpse or job)
      redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', time[1] - tonumber(ARGV[4]))
      redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -tonumber(ARGV[3]))
      dead = dead + 1
    else
      redis.call('RPUSH', KEYS[2], job)
      redis.call('HSET', KEYS[4], field, after)
      moved = moved + 1
    end
  end
end
if moved > 0 then
  redis.call('SADD', KEYS[3], ARGV[1])
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[6], ARGV[2])
end
if left > 0 then
  return redis.error_reply('WRONGTYPE ' .. KEYS[5] .. ' is no sorted set: ' .. left .. ' jobs stay in their flight')
end
return { moved, dead, changed }
