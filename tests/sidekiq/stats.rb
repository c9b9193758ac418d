# Answers the totals as Sidekiq's API shows them.
stats = Sidekiq::Stats.new
history = Sidekiq::Stats::History.new(2)
answer(
  processed: stats.processed, failed: stats.failed, scheduled: stats.scheduled_size, retries: stats.retry_size,
  dead: stats.dead_size, enqueued: stats.enqueued, processes: stats.processes_size, workers: stats.workers_size,
  queues: stats.queues, processed_by_day: history.processed, failed_by_day: history.failed,
  latency: stats.default_queue_latency,
  all: Sidekiq::Queue.all.map { |queue| [queue.name, queue.size, queue.paused?, queue.latency, queue.map(&:jid)] },
  summaries: (stats.respond_to?(:queue_summaries) ? stats.queue_summaries : []).map { |summary| [summary.name, summary.size, summary.paused?, summary.latency] }
)
