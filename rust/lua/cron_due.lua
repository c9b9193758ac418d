-- Reads the recurring jobs that are due by Redis's clock; changes nothing.
-- KEYS[1] fastkiq:cron:next   KEYS[2] fastkiq:cron   ARGV[1] most entries   ARGV[2] longest definition   ARGV[3] most bytes of all
-- ARGV[4] how many of the earliest are passed over
-- Answers {seconds, microseconds, next later score or "", then for each entry: name, score, definition; in place of one that is too long,
-- or of none, its length}.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local answer = { tonumber(time[1]), tonumber(time[2]) }
answer[3] = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or ''
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', ARGV[4], ARGV[1])
local bytes = 0
for i = 1, #due, 2 do
  local length = redis.call('HSTRLEN', KEYS[2], due[i])
  bytes = bytes + length
  if bytes > tonumber(ARGV[3]) and i > 1 then
    break
  end
  answer[#answer + 1] = due[i]
  answer[#answer + 1] = due[i + 1]
  if length == 0 or length > tonumber(ARGV[2]) then
    answer[#answer + 1] = length
    bytes = bytes - length
  else
    answer[#answer + 1] = redis.call('HGET', KEYS[2], due[i])
  end
end
return answer
