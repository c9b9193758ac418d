-- Recurring jobs at a glance; changes nothing.
-- KEYS[1] fastkiq:cron   KEYS[2] fastkiq:cron:next   KEYS[3] fastkiq:cron:paused   KEYS[4] fastkiq:cron:orphans
-- KEYS[5..] fastkiq:cron:history:<name>
-- ARGV[1] longest definition in bytes   ARGV[2..] names, in the order of the histories
-- Answers, for each name: {definition ("" = gone, or too long), its length, next tick or "", 1 when paused,
-- newest of its history or "", 1 when orphaned}.
local answer = {}
for i = 2, #ARGV do
  local name = ARGV[i]
  local length = redis.call('HSTRLEN', KEYS[1], name)
  local definition = length <= tonumber(ARGV[1]) and redis.call('HGET', KEYS[1], name) or ''
  local next = redis.pcall('ZSCORE', KEYS[2], name)
  local paused = redis.pcall('SISMEMBER', KEYS[3], name)
  local orphaned = redis.pcall('HEXISTS', KEYS[4], name)
  local last = redis.pcall('LINDEX', KEYS[3 + i], 0)
  answer[#answer + 1] = {
    definition,
    length,
    type(next) == 'string' and next or '',
    paused == 1 and 1 or 0,
    type(last) == 'string' and #last <= 4096 and last or '',
    orphaned == 1 and 1 or 0,
  }
end
return answer
