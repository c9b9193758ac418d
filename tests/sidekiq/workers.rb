# Workers that Ruby and Python both have, under the same names.
class Echo
  include Sidekiq::Job

  def perform(*args) = note("ledger", "ruby", jid, args)
end

class Boom
  include Sidekiq::Job
  sidekiq_options retry: 3, backtrace: 20
  sidekiq_retry_in { 300 }

  def perform(*) = raise(ArgumentError, "boom <b>é\u2028 from Ruby")
end

class Slow
  include Sidekiq::Job

  def perform(*) = sleep(60)
end

class Noop
  include Sidekiq::Job

  def perform(*) = nil
end

class LastBoom
  include Sidekiq::Job
  sidekiq_options retry: 0, backtrace: true, tags: ["a", "ü"]

  def perform(*) = raise(ArgumentError, "the last one")
end

class Pause
  include Sidekiq::Job

  def perform(seconds)
    sleep(seconds)
    note("ledger", "ruby", jid, seconds)
  end
end

class Stuck
  include Sidekiq::Job

  def perform
    note("stuck", "ruby")
    loop { sleep(0.01) }
  end
end

class Wait
  include Sidekiq::Job

  def perform(*)
    sleep(0.01) until interrupted?
  end
end
