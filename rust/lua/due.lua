-- Looks at what is due by Redis's clock; changes nothing.
-- KEYS[1] schedule   KEYS[2] retry   ARGV[1] most members of each   ARGV[2] most bytes of each, past the first
-- Answers {seconds, microseconds, due of schedule, due of retry, next score of schedule or "", next score of retry or ""}.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local answer = { tonumber(time[1]), tonumber(time[2]) }
for i = 1, 2 do
  local due = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', now, 'LIMIT', 0, ARGV[1])
  local bytes, kept = 0, 0
  while kept < #due and (kept == 0 or bytes + #due[kept + 1] <= tonumber(ARGV[2])) do
    kept = kept + 1
    bytes = bytes + #due[kept]
  end
  answer[2 + i] = { unpack(due, 1, kept) }
  local later = redis.call('ZRANGEBYSCORE', KEYS[i], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  answer[4 + i] = later[2] or ''
end
return answer
