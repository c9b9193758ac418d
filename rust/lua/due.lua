-- Looks at what is due by Redis's clock; changes nothing.
-- KEYS[1] schedule   KEYS[2] retry
-- ARGV[1] most members of each   ARGV[2] most bytes of each, past the first
-- Answers {seconds, microseconds, due of schedule, due of retry, next score of schedule or "", next score of retry or "",
-- keys of another type, which count as empty: one must not keep the other's jobs waiting}.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local answer = { tonumber(time[1]), tonumber(time[2]) }
local wrong = {}
for i = 1, 2 do
  local due = redis.pcall('ZRANGEBYSCORE', KEYS[i], '-inf', now, 'LIMIT', 0, ARGV[1])
  if due.err then
    if not string.find(due.err, 'WRONGTYPE', 1, true) then
      return due
    end
    wrong[#wrong + 1] = KEYS[i]
  end
  local bytes, kept = 0, 0
  while kept < #due and (kept == 0 or bytes + #due[kept + 1] <= tonumber(ARGV[2])) do
    kept = kept + 1
    bytes = bytes + #due[kept]
  end
  answer[2 + i] = { unpack(due, 1, kept) }
  local later = redis.pcall('ZRANGEBYSCORE', KEYS[i], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  answer[4 + i] = later[2] or ''
end
answer[7] = table.concat(wrong, ', ')
return answer
