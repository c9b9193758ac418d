# Sidekiq: the jobs, loaded by `sidekiq -r ./app.rb`, and the command line `app.rb enqueue|bulk KIND N`.
require "json"
require "sidekiq"
require_relative "record"

# With YJIT asked for, a row without it would be another contender's.
if ENV["RUBY_YJIT_ENABLE"] == "1" && !RubyVM::YJIT.enabled?
  abort("#{RUBY_DESCRIPTION} was asked for YJIT and runs without")
end

# COMPARE_QUEUES=12 means q0 to q11, each job on one of them by chance; else all is on `default`.
QUEUES = Integer(ENV.fetch("COMPARE_QUEUES", "1"))
NAMES = QUEUES > 1 ? Array.new(QUEUES) { |number| "q#{number}" } : ["default"]

Sidekiq.configure_server do |config|
  config.redis = {url: ENV.fetch("COMPARE_REDIS_URL")}
  config.queues = NAMES
  config.logger.level = Logger::WARN
  config.logger.warn("#{RUBY_DESCRIPTION}, Sidekiq #{Sidekiq::VERSION}, YJIT #{RubyVM::YJIT.enabled?}")
end

Sidekiq.configure_client do |config|
  config.redis = {url: ENV.fetch("COMPARE_REDIS_URL")}
  config.logger.level = Logger::WARN
end

class Noop
  include Sidekiq::Job

  def perform(_text, number, _options) = Record.ran(number)
end

class Sleep
  include Sidekiq::Job

  def perform(number)
    Record.began
    sleep(0.01)
    Record.ended(number)
  end
end

class Middle
  include Sidekiq::Job

  SIDE = RedisClient.config(url: ENV.fetch("COMPARE_SIDE_URL"))
    .new_pool(size: Integer(ENV.fetch("COMPARE_CONCURRENCY", "10")))

  def perform(number)
    Record.began
    JSON.parse(SIDE.call("GET", "compare:doc"))
    Record.ended(number)
  end
end

class Wake
  include Sidekiq::Job

  def perform(sent) = Record.append(Record.now - sent)
end

class Slow
  include Sidekiq::Job

  def perform(number)
    Record.append(number)
    sleep(0.2)
    Record.append(-number)
  end
end

KINDS = {"noop" => Noop, "sleep" => Sleep, "middle" => Middle, "wake" => Wake, "slow" => Slow}.freeze

def row(kind, number) = kind == "noop" ? ["string", number, {"mike" => "bob"}] : [number]

def enqueue(job, *arguments)
  QUEUES > 1 ? job.set(queue: NAMES.sample).perform_async(*arguments) : job.perform_async(*arguments)
end

def wake(jobs)
  chance = Random.new(7)
  jobs.times do
    sleep(chance.rand(0.005..0.030))
    enqueue(Wake, Record.now)
  end
end

if $0 == __FILE__
  how, kind, jobs = ARGV[0], ARGV[1], Integer(ARGV[2])
  job = KINDS.fetch(kind)
  Sidekiq.redis { |redis| redis.call("PING") }
  began = Record.now
  if how == "bulk"
    (1..jobs).each_slice(1_000) do |numbers|
      Sidekiq::Client.push_bulk("class" => job, "args" => numbers.map { |number| row(kind, number) })
    end
  elsif kind == "wake"
    wake(jobs)
  else
    (1..jobs).each { |number| enqueue(job, *row(kind, number)) }
  end
  puts(JSON.generate(seconds: (Record.now - began) / 1e9, jobs: jobs))
end
