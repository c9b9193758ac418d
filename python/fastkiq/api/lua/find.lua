-- Entries with one score whose text has a jid. Changes nothing.
-- KEYS[1] retry, schedule or dead   ARGV[1] score   ARGV[2] jid as in JSON, with its quotes   ARGV[3] entries with that score to pass over
-- ARGV[4] most to look at   ARGV[5] longest entry in bytes
-- Answers {entries looked at, entry, ...}: those that hold the text somewhere, at most 100; false for one that is too long.
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then
  return { 0 }
end
local answer, looked, at = { 0 }, 0, tonumber(ARGV[3])
while looked < tonumber(ARGV[4]) and #answer <= 100 do
  local some = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1], 'LIMIT', at, 10)
  for _, entry in ipairs(some) do
    if string.find(entry, ARGV[2], 1, true) then
      answer[#answer + 1] = #entry <= tonumber(ARGV[5]) and entry
    end
  end
  at, looked = at + #some, looked + #some
  if #some < 10 then
    break
  end
end
answer[1] = looked
return answer
