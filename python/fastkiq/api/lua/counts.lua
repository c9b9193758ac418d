-- The counters of buckets of metrics, all of them. Changes nothing. KEYS[1..] j|...   ARGV[1] most fields of one
-- Answers for each "number of fields\nfield\nvalue\n..."; "" when there is none, false when it has more fields.
local answer = {}
for i, key in ipairs(KEYS) do
  answer[i] = ''
  if redis.call('TYPE', key).ok == 'hash' then
    local length = redis.call('HLEN', key)
    answer[i] = length <= tonumber(ARGV[1]) and length .. '\n' .. table.concat(redis.call('HGETALL', key), '\n')
  end
end
return answer
