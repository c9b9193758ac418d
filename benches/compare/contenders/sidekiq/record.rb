# What the jobs tell of themselves: apps/record.py for Ruby, same modes, same formats.
require "json"

module Record
  PATH = ENV.fetch("COMPARE_RECORD", "")
  JOBS = Integer(ENV.fetch("COMPARE_JOBS", "0"))
  COUNTING = ENV["COMPARE_MODE"] == "count"

  @lock = Mutex.new
  @begun = @done = 0

  class << self
    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)

    # A job with a beginning and an end.
    def began = COUNTING ? count_began : append(0)

    def ended(number) = COUNTING ? count_ended : append(number)

    # A job that does nothing else.
    def ran(number)
      return append(number) unless COUNTING
      count_began
      count_ended
    end

    def append(value)
      time = now
      @file || @lock.synchronize { @file ||= File.open(PATH, "ab") }
      @file.syswrite([time, value].pack("q<q<"))
    end

    private

    def count_began
      return unless @lock.synchronize { @begun += 1 } == 1
      @first = now
      File.write("#{PATH}.first", "")
    end

    def count_ended
      return unless @lock.synchronize { @done += 1 } == JOBS
      File.write("#{PATH}.new", JSON.generate(first: @first, last: now, jobs: JOBS))
      File.rename("#{PATH}.new", PATH)
    end
  end
end
