# Read before each script here: what was given, and how to answer. Sidekiq finds its server by REDIS_URL.
require "json"
require "logger"
require "sidekiq"
require "sidekiq/api"

$stdout.sync = true
GIVEN = JSON.parse(ARGV.fetch(0) == "-" ? $stdin.read : ARGV.fetch(0), max_nesting: 200)
SETS = {"schedule" => Sidekiq::ScheduledSet, "retry" => Sidekiq::RetrySet, "dead" => Sidekiq::DeadSet}.freeze

# Standard output belongs to the answer.
(Sidekiq.respond_to?(:default_configuration) ? Sidekiq.default_configuration : Sidekiq).logger = Logger.new($stderr)

def answer(value) = $stdout.write(JSON.generate(value))

# What both sides' workers leave behind.
def note(key, *values) = Sidekiq.redis { |redis| redis.call("RPUSH", key, JSON.generate(values)) }
