# Puts jobs off until a time. Given: numbers, at; answers the jids.
rows = GIVEN.fetch("numbers").map { |number| [number] }
answer(Sidekiq::Client.push_bulk("class" => "Due", "args" => rows, "at" => GIVEN.fetch("at"), "unheard" => "é"))
