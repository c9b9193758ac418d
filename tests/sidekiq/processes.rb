# Answers the processes and their work as Sidekiq's API shows them. Given, perhaps: identity and signal (quiet!, stop!,
# dump_threads) for one of them.
Sidekiq::ProcessSet[GIVEN["identity"]].public_send(GIVEN.fetch("signal")) if GIVEN["signal"]
set = Sidekiq::ProcessSet.new
fields = %w[hostname pid started_at concurrency busy beat rss rtt_us]
answer(
  size: set.size,
  concurrency: set.total_concurrency,
  rss: set.total_rss,
  processes: set.map { |process|
    {
      identity: process.identity, tag: process.tag, labels: process.labels, queues: process.queues,
      weights: process.weights, capsules: process.capsules, version: process.version, embedded: process.embedded?,
      stopping: process.stopping?, leader: process.leader?, **fields.to_h { |field| [field.to_sym, process[field]] }
    }
  },
  busy: Sidekiq::WorkSet.new.size,
  work: Sidekiq::WorkSet.new.map { |identity, thread, work|
    {
      identity: identity, thread: thread, queue: work.queue, run_at: work.run_at.to_f,
      class: work.job.display_class, args: work.job.display_args, jid: work.job.jid
    }
  }
)
