-- A part of a queue, of jobs of any size, in an answer of a bounded one. Changes nothing.
-- KEYS[1] queue:<name>   ARGV[1] "latest" (enqueued last) or "next" (to run)   ARGV[2] jobs to pass over
-- ARGV[3] most jobs to look at   ARGV[4] most jobs to answer   ARGV[5] longest job in bytes
-- ARGV[6] most bytes to answer, ARGV[7] most to look at, both past the first job   ARGV[8..] texts that a job must hold to be
-- answered, if it is not too long
-- Answers {jobs in the queue or -1 when it is none, jobs looked at, {jobs looked at up to each that is answered}, {the jobs (false: too long)}}.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' then
  return { kind == 'none' and 0 or -1, 0, {}, {} }
end
local total = redis.call('LLEN', KEYS[1])
local first = tonumber(ARGV[2])
local past = math.min(first + tonumber(ARGV[3]), total)
local most, longest, answerable, lookable = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local passed, jobs, looked = {}, {}, 0
local texts, find = {}, string.find
for i = 8, #ARGV do
  texts[#texts + 1] = ARGV[i]
end
local function wanted(job)
  for i = 1, #texts do
    if not find(job, texts[i], 1, true) then
      return false
    end
  end
  return true
end
local at, step, full = first, 1, most == 0
while at < past and not full do
  local stop = math.min(at + step, past)
  local some
  if ARGV[1] == 'next' then
    some = redis.call('LRANGE', KEYS[1], total - stop, total - at - 1)
  else
    some = redis.call('LRANGE', KEYS[1], at, stop - 1)
  end
  local bytes = 0
  for i = 1, #some do
    local job = some[ARGV[1] == 'next' and #some + 1 - i or i]
    local fits = #job <= longest
    if not fits or wanted(job) then
      full = fits and #jobs > 0 and #job > answerable
      if full then
        break
      end
      jobs[#jobs + 1] = fits and job
      passed[#passed + 1] = looked + 1
      answerable = answerable - (fits and #job or 0)
    end
    looked = looked + 1
    bytes, lookable = bytes + #job, lookable - #job
    full = lookable < 0 or #jobs == most
    if full then
      break
    end
  end
  at = first + looked
  step = bytes < 2048 * #some and math.min(step * 4, 50) or 1
end
return { total, looked, passed, jobs }
