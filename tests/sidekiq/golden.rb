# Does one operation as the library does it. Given: operation.
require "sidekiq/cli"
require "sidekiq/deploy"

class Failed < StandardError; end

class Hard
  include Sidekiq::Job

  def perform(*) = nil
end

class Fails
  include Sidekiq::Job
  sidekiq_options retry: 3, backtrace: 3

  def perform(*) = raise(Failed, "boom é")
end

class Last
  include Sidekiq::Job
  sidekiq_options retry: 0, tags: ["a"]

  def perform(*) = raise(Failed, "the last one")
end

class Discards
  include Sidekiq::Job
  sidekiq_retry_in { :discard }

  def perform(*) = raise(Failed, "no more")
end

class Undead
  include Sidekiq::Job
  sidekiq_options retry: 0, dead: false

  def perform(*) = raise(Failed, "no more")
end

def run_all
  config = Sidekiq.default_configuration
  config.capsule("default") { |capsule| capsule.queues = ["default"] }
  processor = Sidekiq::Processor.new(config.capsules.fetch("default")) { |*| }
  while (job = Sidekiq.redis { |redis| redis.call("RPOP", "queue:default") })
    begin
      processor.send(:process, Sidekiq::BasicFetch::UnitOfWork.new("queue:default", job, config))
    rescue Failed
      # It has been seen to.
    end
  end
end

def due(key)
  Sidekiq.redis do |redis|
    redis.call("ZRANGE", key, 0, -1).each { |member| redis.call("ZADD", key, "1", member) }
  end
  Sidekiq::Scheduled::Enq.new(Sidekiq.default_configuration).enqueue_jobs
end

ARGS = [1, 2.5, "é", nil, true, {"a" => [1]}].freeze

case GIVEN.fetch("operation")
when "push" then Hard.perform_async(*ARGS)
when "push_in" then Hard.perform_in(600, *ARGS)
when "push_at" then Hard.perform_at(Time.now + 600, *ARGS)
when "bulk" then Hard.perform_bulk([[1], [2], [3]])
when "set" then Hard.set(queue: "critical", retry: 5, tags: ["a", "é"]).perform_async(1)
when "first_failure"
  Fails.perform_async(1)
  run_all
when "second_failure"
  Fails.perform_async(1)
  run_all
  due("retry")
  run_all
when "death"
  Last.perform_async(1)
  run_all
when "no_retry"
  Fails.set(retry: false).perform_async(1)
  run_all
when "discarded"
  Discards.perform_async(1)
  run_all
when "not_kept"
  Undead.perform_async(1)
  run_all
when "moved"
  Hard.perform_in(600, 1)
  due("schedule")
when "moved_retry"
  Fails.perform_async(1)
  run_all
  due("retry")
when "retried"
  Last.perform_async(1)
  run_all
  Sidekiq::DeadSet.new.first.retry
when "killed"
  Fails.perform_async(1)
  run_all
  Sidekiq::RetrySet.new.first.kill
when "rescheduled"
  Hard.perform_in(600, 1)
  Sidekiq::ScheduledSet.new.first.reschedule(Time.now + 900)
when "signal"
  Sidekiq::Process.new("identity" => "host:1:0123456789ab").quiet!
when "mark" then Sidekiq::Deploy.mark!("a deploy")
end
