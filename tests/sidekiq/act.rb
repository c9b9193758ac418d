# Does one thing to one entry. Given: set, jid, action, and for reschedule the time as `at`.
entry = SETS.fetch(GIVEN.fetch("set")).new.find_job(GIVEN.fetch("jid"))
GIVEN["at"] ? entry.reschedule(Time.at(GIVEN["at"])) : entry.public_send(GIVEN.fetch("action"))
