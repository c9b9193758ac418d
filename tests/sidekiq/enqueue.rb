# Enqueues in each of Ruby's ways. Given: rows of arguments; answers the jids by way.
rows = GIVEN.fetch("rows")
answer(
  async: rows.map { |row| Echo.perform_async(*row) },
  in: rows.map { |row| Echo.perform_in(0.2, *row) },
  bulk: Echo.perform_bulk(rows),
  set: rows.map { |row| Echo.set(queue: "other", retry: false).perform_async(*row) }
)
