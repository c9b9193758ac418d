-- Puts jobs from a flight back to the front of their queue.
-- KEYS[1] flight   KEYS[2] queue:<name>   KEYS[3] queues   KEYS[4] fastkiq:suspects
-- KEYS[5..8] stat:processed, stat:processed:<date>, stat:failed, stat:failed:<date>
-- ARGV[1] queue name   ARGV[2] 1 = count them as processed and failed   ARGV[3] seconds to keep the daily counts
-- ARGV[4] 1 = the jobs lie in no flight (basic fetch)   then pairs: job, its suspect field or ""
-- Given newest first: the last one pushed is the next one fetched. Answers how many were moved, or WRONGTYPE before any was.
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'list' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is no list: the jobs stay in their flight')
end
if ARGV[4] == '1' then
  redis.call('DEL', KEYS[1]) -- frees nothing, but being a write it lets a full Redis take the rest
end
local moved = 0
for i = 5, #ARGV, 2 do
  if ARGV[4] == '1' or redis.call('LREM', KEYS[1], 1, ARGV[i]) == 1 then
    moved = moved + 1
    if ARGV[i + 1] ~= '' then
      local mark = redis.call('HGET', KEYS[4], ARGV[i + 1])
      if mark then -- "<deaths>:<started>:<time>": a stop that gives a job back is no death
        redis.call('HSET', KEYS[4], ARGV[i + 1], (string.gsub(mark, '^(%d+):1:', '%1:0:')))
      end
    end
    redis.call('RPUSH', KEYS[2], ARGV[i])
  end
end
if moved > 0 then
  redis.call('SADD', KEYS[3], ARGV[1])
  if ARGV[2] == '1' then
    for i = 5, 7, 2 do
      redis.pcall('INCRBY', KEYS[i], moved) -- pcall: a count that cannot be raised is no reason to fail
      if redis.pcall('INCRBY', KEYS[i + 1], moved) == moved then
        redis.call('EXPIRE', KEYS[i + 1], ARGV[3])
      end
    end
  end
end
return moved
