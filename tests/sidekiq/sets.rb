# Answers each sorted set as Sidekiq's API shows it.
answer(SETS.transform_values { |set|
  set.new.map do |entry|
    {
      jid: entry.jid, class: entry.display_class, queue: entry.queue, args: entry.display_args, tags: entry.tags,
      at: entry.at.to_f, score: entry.score, created_at: entry.created_at.to_f, failed_at: entry.respond_to?(:failed_at) ? entry.failed_at&.to_f : entry["failed_at"],
      error: entry["error_class"], message: entry["error_message"], backtrace: entry.error_backtrace, item: entry.item
    }
  end
})
