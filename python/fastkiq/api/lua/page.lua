-- A part of a sorted set, of entries of any size, in an answer of a bounded one. Changes nothing.
-- KEYS[1] retry, schedule or dead   ARGV[1] "next" (lowest score first) or "latest"
-- ARGV[2] score of the place to go on at ("" = the beginning)   ARGV[3] where among the entries that have it: "a" above all, "b" below all,
-- "p<bytes>" below the first that is not less than these bytes, "n<number>" above so many
-- ARGV[4] most entries to look at   ARGV[5] most entries to answer   ARGV[6] longest entry in bytes
-- ARGV[7] most bytes to answer, ARGV[8] most to look at, both past the first entry   ARGV[9..] texts that an entry must hold to be answered, if it
-- is not too long
-- Answers {entries in the set or -1 when it is none, entries looked at, score and where of the next place ("" when nothing is left), entries with that
-- score that are below it, for the entries answered: their scores, for each the number of those of its score up to it, their lengths (texts with spaces between), and
-- themselves (false: too long)}.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'zset' then
  return { kind == 'none' and 0 or -1, 0, '', '', 0, '', '', '', {} }
end
local latest = ARGV[1] == 'latest'
local range = latest and 'ZREVRANGE' or 'ZRANGE'
local total = redis.call('ZCARD', KEYS[1])

-- Lua's < goes by the locale, Redis by bytes.
local function common(one, other)
  local low, high = 0, math.min(#one, #other)
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if string.sub(one, 1, middle) == string.sub(other, 1, middle) then
      low = middle
    else
      high = middle - 1
    end
  end
  return low
end
local function less(entry, text)
  local same = common(entry, text)
  return same < #text and (same == #entry or string.byte(entry, same + 1) < string.byte(text, same + 1))
end

local function below(score)
  return redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
end
-- Entries before the place, and how many of these have its score.
local first, ties, score = 0, 0, ARGV[2]
if score ~= '' then
  local lower, tied = below(score), redis.call('ZCOUNT', KEYS[1], score, score)
  local how, text = string.sub(ARGV[3], 1, 1), string.sub(ARGV[3], 2)
  local low, high = 0, how == 'p' and tied or 0
  while low < high do
    local middle = math.floor((low + high) / 2)
    if less(redis.call('ZRANGE', KEYS[1], lower + middle, lower + middle)[1], text) then
      low = middle + 1
    else
      high = middle
    end
  end
  local passed = (how == 'a' and tied) or (how == 'n' and math.min(tied, tonumber(text))) or low
  first = latest and total - lower - passed or lower + passed
  ties = latest and tied - passed or passed
end

local texts, find = {}, string.find
for i = 9, #ARGV do
  texts[#texts + 1] = ARGV[i]
end
local function wanted(entry)
  for i = 1, #texts do
    if not find(entry, texts[i], 1, true) then
      return false
    end
  end
  return true
end
local past, most, longest = first + tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local answerable, lookable = tonumber(ARGV[7]), tonumber(ARGV[8])
local scores, tied_up_to, lengths, entries, looked = {}, {}, {}, {}, 0
-- A few at a time: of fifty that are 100 MB each, Lua would hold all at once.
local at, step, full = first, 1, most == 0
while at < past and at < total and not full do
  local some = redis.call(range, KEYS[1], at, math.min(at + step, past) - 1, 'WITHSCORES')
  local bytes = 0
  for i = 1, #some, 2 do
    local entry, length = some[i], #some[i]
    local fits = length <= longest
    local tied = some[i + 1] == score and ties + 1 or 1
    if not fits or wanted(entry) then
      full = fits and #entries > 0 and length > answerable
      if full then
        break
      end
      entries[#entries + 1] = fits and entry
      scores[#entries], tied_up_to[#entries], lengths[#entries] = some[i + 1], tied, length
      answerable = answerable - (fits and length or 0)
    end
    looked = looked + 1
    score, ties = some[i + 1], tied
    bytes, lookable = bytes + length, lookable - length
    full = lookable < 0 or #entries == most
    if full then
      break
    end
  end
  at = first + looked
  step = bytes < 2048 * #some and math.min(step * 4, 50) or 1
end

-- The place behind the last one looked at, by bytes that part it from its neighbour.
local where, count = '', 0
if at >= total then
  score = ''
elseif at == 0 then
  score, where = redis.call(range, KEYS[1], 0, 0, 'WITHSCORES')[2], latest and 'a' or 'b'
else
  local pair = redis.call(range, KEYS[1], at - 1, at, 'WITHSCORES')
  score = pair[2]
  if pair[4] ~= score then
    where = latest and 'b' or 'a'
  else
    local parted = common(pair[1], pair[3]) + 1
    count = (latest and total - at or at) - below(score)
    where = parted > 65536 and 'n' .. count or 'p' .. string.sub(latest and pair[1] or pair[3], 1, parted)
  end
end
local join = table.concat
return { total, looked, score, where, count, join(scores, ' '), join(tied_up_to, ' '), join(lengths, ' '), entries }
