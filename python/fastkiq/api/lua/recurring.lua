-- Recurring jobs at a glance; changes nothing.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next   KEYS[3] fastkiq:cron:paused   KEYS[4] fastkiq:cron:orphans
-- KEYS[5] fastkiq:alive   then for each name: fastkiq:cron:history:<name>   fastkiq:cron:held:<name>
-- ARGV[1] longest definition in bytes   ARGV[2..] names
-- Answers, for each name: {definition ("" = gone, or too long), its length, next tick or "", 1 when paused,
-- newest of its history or "", 1 when orphaned, how many living processes hold it}.
local answer = {}
for i = 2, #ARGV do
  local name = ARGV[i]
  local length = redis.call('HSTRLEN', KEYS[1], name)
  local definition = length <= tonumber(ARGV[1]) and redis.call('HGET', KEYS[1], name) or ''
  local next = redis.pcall('ZSCORE', KEYS[2], name)
  local paused = redis.pcall('SISMEMBER', KEYS[3], name)
  local orphaned = redis.pcall('HEXISTS', KEYS[4], name)
  local last = redis.pcall('LINDEX', KEYS[2 + 2 * i], 0)
  local holders = 0
  local ids = redis.pcall('HKEYS', KEYS[3 + 2 * i])
  for j = 1, ids.err and 0 or math.min(#ids, 1000) do
    local beat = redis.pcall('ZSCORE', KEYS[5], ids[j])
    holders = holders + (type(beat) == 'string' and 1 or 0)
  end
  answer[#answer + 1] = {
    definition,
    length,
    type(next) == 'string' and next or '',
    paused == 1 and 1 or 0,
    type(last) == 'string' and #last <= 4096 and last or '',
    orphaned == 1 and 1 or 0,
    holders,
  }
end
return answer
