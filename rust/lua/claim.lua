-- Claims jobs for a live process: queue by queue in the order given, oldest first, each into a flight list of its own.
-- KEYS[1] fastkiq:alive   KEYS[2] paused   KEYS[3] fastkiq:suspects   KEYS[4] fastkiq:flights:<id>
-- KEYS[5+2i] queue:<name>   KEYS[6+2i] fastkiq:flight:<id>:<name>:<n>
-- ARGV[1] id   ARGV[2] most jobs in all   ARGV[3] most bytes in all, past the first job of each queue
-- ARGV[4+2i] "<name>:<n>"   ARGV[5+2i] most jobs of that queue
-- Answers FENCED, or {1 when suspects exist, {i, job, job, ...}, ...} with the oldest job first.
-- The first write pops, so that a full Redis can still be drained.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return redis.status_reply('FENCED')
end
local answer = { redis.call('EXISTS', KEYS[3]) }
local room, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local pausing = redis.call('EXISTS', KEYS[2]) == 1
for i = 0, (#KEYS - 4) / 2 - 1 do
  if room <= 0 then
    break
  end
  local queue, flight = KEYS[5 + 2 * i], KEYS[6 + 2 * i]
  local member, most = ARGV[4 + 2 * i], math.min(room, tonumber(ARGV[5 + 2 * i]))
  if most > 0 and not (pausing and redis.call('SISMEMBER', KEYS[2], string.sub(queue, 7)) == 1) then
    local jobs = redis.pcall('RPOP', queue, most) -- pcall: one key of a wrong type must not stop the other queues
    if jobs and not jobs.err and #jobs > 0 then
      local bytes, kept = #jobs[1], 1
      while kept < #jobs and bytes + #jobs[kept + 1] <= limit do
        kept = kept + 1
        bytes = bytes + #jobs[kept]
      end
      for j = #jobs, kept + 1, -1 do
        redis.call('RPUSH', queue, table.remove(jobs))
      end
      limit = limit - bytes
      redis.call('LPUSH', flight, unpack(jobs))
      redis.call('SADD', KEYS[4], member)
      room = room - #jobs
      table.insert(jobs, 1, i)
      answer[#answer + 1] = jobs
    end
  end
end
return answer
