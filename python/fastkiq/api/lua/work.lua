-- The running jobs of processes. Changes nothing.
-- KEYS[1..] <id>:work   ARGV[1] longest job in bytes   ARGV[2] most bytes in all, past the first job of each
-- Answers for each key {thread, its job or false when it is too long, ...}; {} when it is absent, or no hash.
local answer, left = {}, tonumber(ARGV[2])
for _, key in ipairs(KEYS) do
  local found = {}
  local threads = redis.call('TYPE', key).ok == 'hash' and redis.call('HLEN', key) <= 10000 and redis.call('HKEYS', key) or {}
  for i, thread in ipairs(threads) do
    local length = redis.call('HSTRLEN', key, thread)
    local fits = length <= tonumber(ARGV[1])
    if i > 1 and fits and length > left then
      break
    end
    found[#found + 1] = thread
    found[#found + 1] = fits and redis.call('HGET', key, thread)
    left = left - (fits and length or 0)
  end
  answer[#answer + 1] = found
end
return answer
