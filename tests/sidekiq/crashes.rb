# Puts one hostile thing at a time where a page shows it. Given: rows, each [key, base64 of the value]; answers, for each, the pages
# that did not answer 200 (an entry that has no page of its own is not looked at alone).
# A sorted set takes a member, `queue:<name>` an item, `info` and `work` what a process says of itself and of a running job.
require "rack/mock"
require "sidekiq/web"

WEB = Rack::MockRequest.new(Sidekiq::Web)
LISTS = {"retry" => "/retries", "dead" => "/morgue", "schedule" => "/scheduled"}.freeze
GOOD = {"hostname" => "h", "started_at" => 1.0, "pid" => 1, "tag" => "", "concurrency" => 1, "queues" => ["default"], "labels" => [],
        "identity" => "h:1:a", "capsules" => {"default" => {"concurrency" => 1, "mode" => "strict", "weights" => {"default" => 0}}}}.freeze

def call(*words) = Sidekiq.redis { |redis| redis.call(*words) }

def page(path)
  response = WEB.get(path, "rack.session" => {}, "HTTP_SEC_FETCH_SITE" => "same-origin")
  [response.status, response.body.dup.force_encoding("UTF-8")]
rescue => error
  [error.class.name, ""]
end

def pages_of(key, value)
  if LISTS[key]
    call("ZADD", key, "4000000000", value)
    return [LISTS[key]]
  end
  name = key.delete_prefix("queue:")
  if name != key
    call("SADD", "queues", name)
    call("LPUSH", key, value)
    return ["/", "/queues", "/queues/#{name}"]
  end
  call("SADD", "processes", "h:1:a")
  call("HSET", "h:1:a", "info", key == "info" ? value : JSON.generate(GOOD), "busy", "1", "beat", "1.0", "quiet", "false",
    "rss", "1", "rtt_us", "1", "concurrency", "1")
  call("HSET", "h:1:a:work", "t", value) if key == "work"
  ["/", "/busy"]
end

answer(GIVEN.fetch("rows").map { |key, value|
  call("FLUSHDB")
  paths = pages_of(key, value.unpack1("m"))
  seen = paths.to_h { |path| [path, page(path)] }
  if LISTS[key]
    links = seen.values.flat_map { |_, body| body.scrub.scan(/href="(#{LISTS[key]}\/[^"]+)"/).flatten }.uniq
    links.each { |link| seen["detail"] = page(URI::RFC2396_PARSER.escape(CGI.unescapeHTML(link))) }
  end
  seen.transform_values(&:first).reject { |path, status| status == 200 || (path == "detail" && status == 302) }
})
