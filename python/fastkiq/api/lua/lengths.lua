-- The lengths of queues, and their next jobs. Changes nothing.
-- KEYS[1] paused   KEYS[2..] queue:<name>   ARGV[1] longest job in bytes   ARGV[2..] the names
-- Answers {seconds, microseconds, for each queue: length or -1 when it is no list, next job or false when there is none or it is longer,
-- 1 when it is paused}.
local time = redis.call('TIME')
local answer = { tonumber(time[1]), tonumber(time[2]) }
local may_pause = redis.call('TYPE', KEYS[1]).ok == 'set'
for i = 2, #KEYS do
  local length = redis.pcall('LLEN', KEYS[i])
  local job = false
  if type(length) ~= 'number' then
    length = -1
  elseif length > 0 then
    local last = redis.call('LINDEX', KEYS[i], -1)
    job = #last <= tonumber(ARGV[1]) and last
  end
  answer[#answer + 1] = length
  answer[#answer + 1] = job
  answer[#answer + 1] = may_pause and redis.call('SISMEMBER', KEYS[1], ARGV[i]) or 0
end
return answer
