-- Records that a suspect is about to run. HDEL first: a write that frees memory passes in a full Redis.
-- KEYS[1] fastkiq:suspects   ARGV[1] suspect field   ARGV[2] its mark from now on
redis.call('HDEL', KEYS[1], ARGV[1])
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
