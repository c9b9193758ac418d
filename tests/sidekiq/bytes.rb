# Answers each stored payload, process and work entry that Ruby would write otherwise, as [key, stored, Ruby's], and how many
# it has seen of each kind of key. Every key of Redis is looked at.
def call(*words) = Sidekiq.redis { |redis| redis.call(*words) }

def kind(key)
  return "work" if key.end_with?(":work")
  return "flight" if key.start_with?("fastkiq:flight:")
  key
end

def texts(key)
  case call("TYPE", key)
  when "list" then call("LRANGE", key, 0, -1)
  when "zset" then call("ZRANGE", key, 0, -1)
  when "hash" then call("HVALS", key)
  else []
  end
end

stored = call("KEYS", "*").flat_map do |key|
  entries = texts(key).select { |text| text.start_with?("{") }.map { |text| [kind(key), text] }
  # A work entry has the job's JSON as a text.
  entries + entries.select { |kind, _| kind == "work" }.map { |_, text| ["job of work", JSON.parse(text).fetch("payload")] }
end
other = stored.map { |key, text| [key, text, JSON.generate(JSON.parse(text))] }.reject { |_, text, ruby| text == ruby }
answer(seen: stored.map(&:first).tally, other: other)
