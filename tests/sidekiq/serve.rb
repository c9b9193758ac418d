# A `sidekiq` process. Given: options (of its command line), poll (seconds between looks for due jobs), beat (seconds
# between heartbeats), mark (whether it is told who moved a job).
require "fileutils"
require "tmpdir"
require "sidekiq/cli"

# A folder of its own has no /proc, and without one the heartbeat fails where it asks how much memory is used.
if RUBY_PLATFORM.include?("linux") && !File.exist?("/proc/self")
  own = "/proc/#{$$}"
  FileUtils.mkdir_p(own)
  File.write("#{own}/status", "VmRSS:\t 1 kB\n")
  at_exit { FileUtils.rm_rf(own) }
  # Those who were killed could not clear theirs.
  Dir.glob("/proc/[0-9]*") do |stale|
    Process.kill(0, Integer(File.basename(stale)))
  rescue Errno::ESRCH
    FileUtils.rm_rf(stale)
  end
end

if GIVEN["beat"]
  Sidekiq::Launcher.send(:remove_const, :BEAT_PAUSE)
  Sidekiq::Launcher.const_set(:BEAT_PAUSE, GIVEN["beat"])
end

# Whether Ruby's scheduler or fastkiq's has moved a job is told by this mark: only Ruby pushes through middleware.
class Mark
  include Sidekiq::ClientMiddleware

  def call(_class, job, _queue, _pool)
    job["moved_by"] = "ruby"
    yield
  end
end

class Moved
  include Sidekiq::ServerMiddleware

  def call(_instance, job, _queue)
    note("moved", job["moved_by"] || "python", job["unheard"])
    yield
  end
end

class Due
  include Sidekiq::Job

  def perform(number) = note("ledger", "ruby", jid, number)
end

Sidekiq.configure_server do |config|
  config.logger = Logger.new($stdout)
  config[:poll_interval_average] = GIVEN["poll"] if GIVEN["poll"]
  config.client_middleware { |chain| chain.add(Mark) } if GIVEN["mark"]
  config.server_middleware { |chain| chain.add(Moved) } if GIVEN["mark"]
  config.on(:startup) { puts "startup" }
  beats = 0
  config.on(:beat) { puts "beat #{beats += 1}" }
end

# The command line wants a file to load; the workers are here already.
Dir.mktmpdir do |folder|
  file = "#{folder}/empty.rb"
  File.write(file, "")
  cli = Sidekiq::CLI.instance
  cli.parse(["-r", file, *GIVEN.fetch("options", [])])
  cli.run
end
