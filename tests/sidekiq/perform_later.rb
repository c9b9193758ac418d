# Enqueues Active Jobs in each of Rails' ways. Given: rows of arguments; answers the jids by way.
rows = GIVEN.fetch("rows")
bulk = rows.map { |row| EchoJob.new(*row) }
ActiveJob.perform_all_later(bulk)
answer(
  now: rows.map { |row| EchoJob.perform_later(*row).provider_job_id },
  later: rows.map { |row| EchoJob.set(wait: 0.2, queue: "other").perform_later(*row).provider_job_id },
  bulk: bulk.size,
  objects: EchoJob.perform_later(*OBJECTS).provider_job_id,
  keywords: MailJob.perform_later("bob", count: 5, at: Date.new(2026, 11, 22)).provider_job_id,
  record: MailJob.perform_later(Order.new(7)).provider_job_id,
  boom: MailJob.perform_later("boom", count: 2).provider_job_id
)
