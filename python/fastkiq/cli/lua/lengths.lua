-- The lengths of queues, and their next jobs. Changes nothing.
-- KEYS[1..] queue:<name>   ARGV[1] longest job in bytes; 0 = no jobs are wanted
-- Answers {length or -1 when it is no list, next job or false when there is none or it is longer, ...}.
local answer = {}
for _, key in ipairs(KEYS) do
  local length = redis.pcall('LLEN', key)
  local job = false
  if type(length) ~= 'number' then
    length = -1
  elseif length > 0 and ARGV[1] ~= '0' then
    local last = redis.call('LINDEX', key, -1)
    job = #last <= tonumber(ARGV[1]) and last
  end
  answer[#answer + 1] = length
  answer[#answer + 1] = job
end
return answer
