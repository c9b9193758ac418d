-- Sums over processes. Changes nothing. KEYS[1..] process hashes
-- Answers {those that live, jobs that run, jobs that may run, KiB of memory}; what is no number counts as 0.
local answer = { 0, 0, 0, 0 }
for _, key in ipairs(KEYS) do
  local found = redis.pcall('HMGET', key, 'busy', 'concurrency', 'rss', 'beat')
  if not found.err and found[4] then
    answer[1] = answer[1] + 1
    for i = 1, 3 do
      local value = found[i] and string.match(found[i], '^%d+$') and #found[i] < 13 and tonumber(found[i]) or 0
      answer[i + 1] = answer[i + 1] + value
    end
  end
end
return answer
