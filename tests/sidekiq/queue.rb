# Takes one job from a queue, or all. Given: name, and delete (a jid) or clear.
queue = Sidekiq::Queue.new(GIVEN.fetch("name"))
GIVEN["clear"] ? queue.clear : queue.find_job(GIVEN.fetch("delete")).delete
