-- Entries of a sorted set, of any size, in an answer of a bounded one. Changes nothing.
-- KEYS[1] retry, schedule or dead   ARGV[1] "next" (lowest score first) or "latest"   ARGV[2] entries to skip   ARGV[3] most entries
-- ARGV[4] longest entry in bytes   ARGV[5] most bytes in all, past the first entry
-- Answers {entry or false when it is longer, its score, its length, ...}; {} past the last one.
local command = ARGV[1] == 'latest' and 'ZREVRANGE' or 'ZRANGE'
local answer, left = {}, tonumber(ARGV[5])
for at = tonumber(ARGV[2]), tonumber(ARGV[2]) + tonumber(ARGV[3]) - 1 do
  -- One by one: of a hundred that are 100 MB each, Lua would hold all at once.
  local found = redis.call(command, KEYS[1], at, at, 'WITHSCORES')
  if not found[1] then
    break
  end
  local length = #found[1]
  local fits = length <= tonumber(ARGV[4])
  if fits and length > left and #answer > 0 then
    break
  end
  answer[#answer + 1] = fits and found[1]
  answer[#answer + 1] = found[2]
  answer[#answer + 1] = length
  left = left - (fits and length or 0)
end
return answer
