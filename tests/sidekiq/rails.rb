# Jobs of Active Job, read after the workers by scripts that are given an adapter: that of Sidekiq 8, or the one of
# Rails 7, whose wrapper has another name.
require "bigdecimal"
require "date"
require "active_job"
require "active_support/core_ext/integer/time"
require "active_support/core_ext/time/zones"

# Both gems have this file: that of Active Job is gone in newer ones.
owner = Gem.loaded_specs.fetch(GIVEN.fetch("adapter") == "rails" ? "activejob" : "sidekiq")
require File.join(owner.full_gem_path, "lib/active_job/queue_adapters/sidekiq_adapter")
ActiveJob::Base.logger = nil
ActiveJob::Base.queue_adapter = :sidekiq
GlobalID.app = "shop"

# A record of the application.
class Order
  include GlobalID::Identification

  attr_reader :id

  def initialize(id) = @id = id

  def self.find(id) = new(id)
end

# Notes what it gets, as Ruby shows it; `boom` is an address at which it fails.
class MailJob < ActiveJob::Base
  def perform(to, count: 1, **more)
    raise ArgumentError, "boom from Rails" if to == "boom"

    note("ledger", "ruby", provider_job_id, [to, count, more].inspect)
  end
end

class EchoJob < ActiveJob::Base
  def perform(*args) = note("ledger", "ruby", provider_job_id, args.inspect)
end

# In the order of test_active_job.py.
OBJECTS = [
  :sym,
  {a: 1, "b" => {c: [:d]}},
  {"x" => {"y" => 1}}.with_indifferent_access,
  Time.at(1_795_305_947, 123_456_789, :nsec).utc,
  Time.at(1_795_305_947).in_time_zone("Asia/Kolkata"),
  DateTime.new(2026, 11, 22, 1, 2, 3.5, "+2"),
  Date.new(2026, 11, 22),
  BigDecimal("-1.50"),
  90.seconds,
  1.month
].freeze
