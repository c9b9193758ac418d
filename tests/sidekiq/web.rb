# Requests to Sidekiq::Web. Given: requests, each [method, path, form]; answers each [status, body].
require "rack/mock"
require "sidekiq/web"

web = Rack::MockRequest.new(Sidekiq::Web)
answer(GIVEN.fetch("requests").map { |method, path, form|
  response = web.request(method, path, "rack.session" => {}, "HTTP_SEC_FETCH_SITE" => "same-origin", :params => form)
  [response.status, response.body.dup.force_encoding("UTF-8")]
})
