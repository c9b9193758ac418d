-- Deletes one entry that is known by its score and length, since it is too long to be sent.
-- KEYS[1] retry, schedule or dead   ARGV[1] its score   ARGV[2] its length   Answers 1, or 0 when there is none.
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then
  return 0
end
local at = 0
while at < 1000 do
  local some = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1], 'LIMIT', at, 1)
  if not some[1] then
    return 0
  end
  if #some[1] == tonumber(ARGV[2]) then
    return redis.call('ZREM', KEYS[1], some[1])
  end
  at = at + 1
end
return 0
