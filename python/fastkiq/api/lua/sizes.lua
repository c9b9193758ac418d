-- Jobs in all of these queues. Changes nothing. KEYS[1..] queue:<name>
local jobs = 0
for _, key in ipairs(KEYS) do
  local length = redis.pcall('LLEN', key)
  jobs = jobs + (type(length) == 'number' and length or 0)
end
return jobs
