# Pushes one payload as it is, whether Ruby knows its class or not. Given: item; answers the jid.
answer(Sidekiq::Client.push(GIVEN.fetch("item")))
