-- A part of a queue, of jobs of any size, in an answer of a bounded one. Changes nothing.
-- KEYS[1] queue:<name>   ARGV[1] "latest" (enqueued last) or "next" (to run)   ARGV[2] jobs to pass over
-- ARGV[3] most jobs to look at   ARGV[4] most jobs to answer   ARGV[5] longest job in bytes   ARGV[6] most bytes in all, past the first job
-- ARGV[7..] texts, all of which a job must hold to be answered
-- Answers {jobs in the queue or -1 when it is none, jobs looked at, {for each job answered: itself (false when it is too long), jobs looked at up to
-- this one, ...}}.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'list' then
  return { kind == 'none' and 0 or -1, 0, {} }
end
local total = redis.call('LLEN', KEYS[1])
local first = tonumber(ARGV[2])
local past = math.min(first + tonumber(ARGV[3]), total)
local most, longest, left = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local answer, answered, looked = {}, 0, 0
local function wanted(job)
  for text = 7, #ARGV do
    if not string.find(job, ARGV[text], 1, true) then
      return false
    end
  end
  return true
end
local at, step, full = first, 1, false
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
    bytes = bytes + #job
    if not fits or wanted(job) then
      full = answered == most or (fits and answered > 0 and #job > left)
      if full then
        break
      end
      looked = looked + 1
      answered = answered + 1
      answer[#answer + 1] = fits and job
      answer[#answer + 1] = looked
      left = left - (fits and #job or 0)
    else
      looked = looked + 1
    end
  end
  at = first + looked
  step = bytes < 2048 * #some and math.min(step * 4, 500) or 1
end
return { total, looked, answer }
