-- The counters of one class, minute by minute. Changes nothing.
-- KEYS[1..] j|... and h|... in turn   ARGV[1] bytes of a histogram   ARGV[2..] fields of the hash
-- Answers for each pair the values of the fields and the histogram; false for what is absent or of another type.
local answer = {}
for i = 1, #KEYS, 2 do
  for field = 2, #ARGV do
    local value = redis.pcall('HGET', KEYS[i], ARGV[field])
    answer[#answer + 1] = type(value) == 'string' and #value < 32 and value
  end
  local histogram = redis.pcall('GETRANGE', KEYS[i + 1], 0, tonumber(ARGV[1]) - 1)
  answer[#answer + 1] = type(histogram) == 'string' and histogram ~= '' and histogram
end
return answer
