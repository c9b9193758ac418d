# An application that goes on enqueueing while its workers change: a job for each queue, some due later. Given: count,
# seconds (between two rounds).
GIVEN.fetch("count").times do |number|
  Echo.set(queue: "mail").perform_async("mail", number)
  Echo.set(queue: "mail").perform_in(0.5, "mail later", number)
  Echo.set(queue: "reports").perform_async("reports", number)
  sleep(GIVEN.fetch("seconds"))
end
answer(GIVEN.fetch("count") * 3)
