-- One entry that is known by its score and length, since it was too long to be sent with others: deletes it, or answers it.
-- KEYS[1] retry, schedule or dead   ARGV[1] its score   ARGV[2] its length   ARGV[3] "delete" or "read"
-- Answers 1 or the entry; 0 when there is none.
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then
  return 0
end
for at = 0, 9999 do
  local some = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1], 'LIMIT', at, 1)
  if not some[1] then
    return 0
  end
  if #some[1] == tonumber(ARGV[2]) then
    return ARGV[3] == 'read' and some[1] or redis.call('ZREM', KEYS[1], some[1])
  end
end
return 0
