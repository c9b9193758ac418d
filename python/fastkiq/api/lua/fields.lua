-- Some fields of hashes whose fields may be of any size. Changes nothing.
-- KEYS[1..] hashes   ARGV[1] longest value in bytes   ARGV[2..] fields
-- Answers for each hash its values; false for what is absent or longer, or when the key is no hash.
local answer = {}
for _, key in ipairs(KEYS) do
  for at = 2, #ARGV do
    local length = redis.pcall('HSTRLEN', key, ARGV[at])
    local fits = type(length) == 'number' and length <= tonumber(ARGV[1])
    answer[#answer + 1] = fits and redis.call('HGET', key, ARGV[at])
  end
end
return answer
