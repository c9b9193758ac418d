# What an older Sidekiq writes. Given: nothing; answers its version and, by key, what lies in Redis after a push, one for later, a failure, a
# second failure and a death: a list of items, or of [member, score].
require "sidekiq/cli"

class Failed < StandardError; end

class OldBoom
  include Sidekiq::Worker
  sidekiq_options retry: 5, backtrace: 5

  def perform(*) = raise(Failed, "boom é")
end

class OldLast
  include Sidekiq::Worker
  sidekiq_options retry: 0, tags: ["a"]

  def perform(*) = raise(Failed, "the last one")
end

def redis(*words)
  Sidekiq.redis { |redis| redis.call(*words) }
end

# Runs what lies in the queue, on this thread, by the library's own processor.
def run_all
  if Sidekiq.respond_to?(:default_configuration)
    config = Sidekiq.default_configuration
    config.capsule("default") { |capsule| capsule.queues = ["default"] }
    processor = Sidekiq::Processor.new(config.capsules.fetch("default")) { |*| }
  else
    config = Sidekiq.options.merge(queues: ["default"])
    processor = Sidekiq::Processor.new(nil, config.merge(fetch: Sidekiq::BasicFetch.new(config)))
  end
  while (job = redis("RPOP", "queue:default"))
    unit = Sidekiq::BasicFetch::UnitOfWork
    unit = unit.new(*["queue:default", job, config].first(unit.members.size))
    begin
      processor.send(:process, unit)
    rescue Failed
      # It is on its way to be retried.
    end
  end
end

OldBoom.perform_async(1, 1.5, "é")
OldLast.perform_async(2)
run_all
member, = redis("ZRANGE", "retry", 0, -1)
# As its scheduler does when the entry is due.
redis("ZREM", "retry", member)
Sidekiq::Client.push(Sidekiq.load_json(member))
OldBoom.perform_async(3)
OldBoom.perform_async(4)
run_all
OldBoom.perform_in(1_000, 5, {"a" => [nil, "\u2028"]})
OldBoom.perform_async(6, [], 1e-7)
OldBoom.set(retry: false).perform_async(7)
sets = %w[schedule retry dead].to_h { |key| [key, redis("ZRANGE", key, 0, -1, "WITHSCORES").flatten.each_slice(2).to_a] }
answer(version: Sidekiq::VERSION, ruby: RUBY_VERSION, keys: sets.merge("queue:default" => redis("LRANGE", "queue:default", 0, -1)))
