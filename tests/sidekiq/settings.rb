# Answers what Sidekiq's command line makes of a configuration file. Given: text (of the file), options, environment (variables).
require "tmpdir"
require "sidekiq/cli"

GIVEN.fetch("environment", {}).each { |name, value| ENV[name] = value }
Dir.mktmpdir do |folder|
  File.write("#{folder}/sidekiq.yml", GIVEN.fetch("text"))
  File.write("#{folder}/empty.rb", "")
  cli = Sidekiq::CLI.instance
  cli.parse(["-C", "#{folder}/sidekiq.yml", "-r", "#{folder}/empty.rb", *GIVEN.fetch("options", [])])
  config = cli.config
  answer(
    timeout: config[:timeout],
    tag: config[:tag],
    retries: config[:max_retries],
    environment: cli.environment,
    capsules: config.capsules.transform_values { |capsule|
      {queues: capsule.queues.uniq, weights: capsule.weights, concurrency: capsule.concurrency, mode: capsule.mode}
    }
  )
end
