-- The counters of buckets of metrics, all of them. Changes nothing.
-- KEYS[1..] j|...   ARGV[1] most fields of one   ARGV[2..] for each how many fields it had when it was last read, or ""
-- Answers for each "number of fields\nfield\nvalue\n..."; "" when there is none, false when it has more fields, 1 when
-- it has as many as it had.
local answer = {}
for i, key in ipairs(KEYS) do
  answer[i] = ''
  if redis.call('TYPE', key).ok == 'hash' then
    local length = redis.call('HLEN', key)
    if tostring(length) == ARGV[i + 1] then
      answer[i] = 1
    else
      answer[i] = length <= tonumber(ARGV[1]) and length .. '\n' .. table.concat(redis.call('HGETALL', key), '\n')
    end
  end
end
return answer
