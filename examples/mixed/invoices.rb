# The Ruby half: runs what Python enqueues for it, and enqueues for Python.
#
#   sidekiq -r ./invoices.rb -q ruby
#
# In a Rails application the class lies in app/sidekiq/, and nothing else differs.
require "sidekiq"

class MakeInvoice
  include Sidekiq::Job
  sidekiq_options queue: "ruby", retry: 5

  def perform(address, total)
    invoice = {"number" => "R-#{jid[0, 8]}", "total" => total}
    logger.info("invoice #{invoice["number"]} is made")
    # Ruby has no class SendInvoice, so it is named, and its queue with it.
    Sidekiq::Client.push("class" => "SendInvoice", "queue" => "python", "args" => [address, invoice], "retry" => 5)
  end
end
