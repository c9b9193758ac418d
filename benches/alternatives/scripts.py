"""The scripts of the alternatives. Each claim checks what fastkiq's own checks, and each ack counts as its own counts,
so that what differs is where the claimed jobs lie in the meantime."""

_ALIVE = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return redis.status_reply('FENCED')
end
local suspects = redis.call('EXISTS', KEYS[3])
if redis.call('EXISTS', KEYS[2]) == 1 and redis.call('SISMEMBER', KEYS[2], string.sub(KEYS[4], 7)) == 1 then
  return { suspects }
end
local jobs = redis.call('RPOP', KEYS[4], ARGV[2])
if not jobs then
  return { suspects }
end
"""

_COUNT = """
if removed > 0 then
  redis.pcall('INCRBY', KEYS[1], removed)
  if redis.pcall('INCRBY', KEYS[2], removed) == removed then
    redis.call('EXPIRE', KEYS[2], ARGV[1])
  end
end
return removed
"""

# KEYS: alive, paused, suspects, queue, flight (and the set or number of flights); ARGV: id, most (and a member)
CLAIM_ONE_LIST = _ALIVE + "redis.call('LPUSH', KEYS[5], unpack(jobs)) return jobs"

CLAIM_HASH = (
    _ALIVE
    + """
local last = redis.call('INCRBY', KEYS[6], #jobs)
local first, pairs_ = last - #jobs, {}
for i = 1, #jobs do
  pairs_[2 * i - 1], pairs_[2 * i] = first + i, jobs[i]
end
redis.call('HSET', KEYS[5], unpack(pairs_))
return { first + 1, jobs }
"""
)

CLAIM_SORTED_SET = (
    _ALIVE
    + """
local deadline, pairs_ = redis.call('TIME')[1] + 30, {}
for i = 1, #jobs do
  pairs_[2 * i - 1], pairs_[2 * i] = deadline, jobs[i]
end
redis.call('ZADD', KEYS[5], unpack(pairs_))
return jobs
"""
)

CLAIM_BLOB_MSGPACK = (
    _ALIVE
    + """
local blob = cmsgpack.pack(jobs)
redis.call('SET', KEYS[5], blob)
redis.call('SADD', KEYS[6], ARGV[3])
return { #jobs, blob }
"""
)

CLAIM_BLOB_PREFIXED = (
    _ALIVE
    + """
local parts = {}
for i = 1, #jobs do
  parts[2 * i - 1], parts[2 * i] = struct.pack('<I4', #jobs[i]), jobs[i]
end
local blob = table.concat(parts)
redis.call('SET', KEYS[5], blob)
redis.call('SADD', KEYS[6], ARGV[3])
return { #jobs, blob }
"""
)

# As fastkiq's claim, but each job is moved by Redis itself and passes through Lua once.
# KEYS: alive, paused, suspects, queue, flight, flights; ARGV: id, most, member
CLAIM_MOVES = """
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return redis.status_reply('FENCED')
end
local suspects = redis.call('EXISTS', KEYS[3])
if redis.call('EXISTS', KEYS[2]) == 1 and redis.call('SISMEMBER', KEYS[2], string.sub(KEYS[4], 7)) == 1 then
  return { suspects }
end
local jobs = {}
for i = 1, ARGV[2] do
  local job = redis.call('LMOVE', KEYS[4], KEYS[5], 'RIGHT', 'LEFT')
  if not job then
    break
  end
  jobs[i] = job
end
redis.call('SADD', KEYS[6], ARGV[3])
return jobs
"""

# KEYS: stat:processed, stat:processed:<date>, flight (and the set of flights)
# ARGV: seconds to keep a daily count, then jobs or their numbers (of a blob: its member and its number of jobs)
ACK_ONE_LIST = (
    """
local removed = 0
for i = 2, #ARGV do
  removed = removed + redis.call('LREM', KEYS[3], -1, ARGV[i])
end
"""
    + _COUNT
)

ACK_HASH = "local removed = redis.call('HDEL', KEYS[3], unpack(ARGV, 2))" + _COUNT

ACK_SORTED_SET = "local removed = redis.call('ZREM', KEYS[3], unpack(ARGV, 2))" + _COUNT

ACK_BLOB = (
    """
local removed = redis.call('DEL', KEYS[3]) * ARGV[3]
redis.call('SREM', KEYS[4], ARGV[2])
"""
    + _COUNT
)
