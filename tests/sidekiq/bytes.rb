# Answers each stored job that Ruby would write otherwise, as [key, stored, Ruby's], and how many it has seen.
keys = Sidekiq.redis { |redis| redis.call("KEYS", "queue:*") }
stored = keys.flat_map { |key| Sidekiq.redis { |redis| redis.call("LRANGE", key, 0, -1) }.map { |job| [key, job] } }
SETS.each_key do |key|
  stored += Sidekiq.redis { |redis| redis.call("ZRANGE", key, 0, -1) }.map { |job| [key, job] }
end
other = stored.map { |key, job| [key, job, JSON.generate(JSON.parse(job))] }.reject { |_, job, ruby| job == ruby }
answer(seen: stored.map(&:first).tally, other: other)
