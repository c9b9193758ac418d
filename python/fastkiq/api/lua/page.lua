-- A part of a sorted set, of entries of any size, in an answer of a bounded one. Changes nothing.
-- KEYS[1] retry, schedule or dead   ARGV[1] "next" (lowest score first) or "latest"
-- ARGV[2] score at which to go on ("" = at the beginning)   ARGV[3] entries with that very score to pass over
-- ARGV[4] most entries to look at   ARGV[5] most entries to answer   ARGV[6] longest entry in bytes
-- ARGV[7] most bytes in all, past the first entry   ARGV[8..] texts, all of which an entry must hold to be answered
-- Answers {entries in the set or -1 when it is none, entries looked at, score and entries with it to go on at ("" when nothing is left),
-- {for each entry answered: itself (false when it is too long: then its texts are not looked at), score, entries with
-- that score up to this one, length, ...}}.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'zset' then
  return { kind == 'none' and 0 or -1, 0, '', 0, {} }
end
local total = redis.call('ZCARD', KEYS[1])
local latest = ARGV[1] == 'latest'
local score, ties = ARGV[2], tonumber(ARGV[3])
local first = 0
if score ~= '' then
  first = ties
    + (latest and redis.call('ZCOUNT', KEYS[1], '(' .. score, '+inf') or redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. score))
end
local command = latest and 'ZREVRANGE' or 'ZRANGE'
local past, most, longest, left = first + tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local answer, answered, looked = {}, 0, 0
local function wanted(entry)
  for text = 8, #ARGV do
    if not string.find(entry, ARGV[text], 1, true) then
      return false
    end
  end
  return true
end
-- A few at a time: of a hundred that are 100 MB each, Lua would hold all at once.
local at, step, full, over = first, 1, false, false
while at < past and not full and not over do
  local some = redis.call(command, KEYS[1], at, math.min(at + step, past) - 1, 'WITHSCORES')
  local bytes = 0
  for i = 1, #some, 2 do
    local entry, length = some[i], #some[i]
    local fits = length <= longest
    local tied = some[i + 1] == score and ties + 1 or 1
    bytes = bytes + length
    if not fits or wanted(entry) then
      full = answered == most or (fits and answered > 0 and length > left)
      if full then
        break
      end
      answer[#answer + 1] = fits and entry
      answer[#answer + 1] = some[i + 1]
      answer[#answer + 1] = tied
      answer[#answer + 1] = length
      answered = answered + 1
      left = left - (fits and length or 0)
    end
    looked = looked + 1
    score, ties = some[i + 1], tied
  end
  over = #some == 0 or first + looked >= total
  at = first + looked
  step = bytes < 2048 * #some and math.min(step * 4, 500) or 1
end
return { total, looked, over and '' or score, ties, answer }
