-- The counters of buckets of metrics. Changes nothing.
-- KEYS[1..] j|...   ARGV[1] most fields of one   ARGV[2] text that their names must hold
-- Answers for each {name, value, ...}; {} when there is none, false when it has more fields.
local answer = {}
for i, key in ipairs(KEYS) do
  local found = {}
  if redis.call('TYPE', key).ok == 'hash' then
    if redis.call('HLEN', key) > tonumber(ARGV[1]) then
      found = false
    else
      local all = redis.call('HGETALL', key)
      for at = 1, #all, 2 do
        if #all[at] < 1024 and (ARGV[2] == '' or string.find(all[at], ARGV[2], 1, true)) then
          found[#found + 1] = all[at]
          found[#found + 1] = all[at + 1]
        end
      end
    end
  end
  answer[i] = found
end
return answer
