-- Begins the records of jobs that are about to be pushed. A full Redis refuses it, as it does the push.
-- KEYS their records. ARGV three for each: milliseconds to live, when it was enqueued (epoch ms), the payload.
for index, key in ipairs(KEYS) do
  local at = 3 * index
  redis.call('HSET', key, 'status', 'queued', 'queued_at', ARGV[at - 1], 'payload', ARGV[at])
  redis.call('HDEL', key, 'run', 'value', 'error', 'progress', 'attempts', 'started_at', 'finished_at')
  redis.call('PEXPIRE', key, ARGV[at - 2])
end
