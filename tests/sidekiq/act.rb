# Does one thing to each of some entries. Given: acts, each with set, jid, action, for reschedule the time as `at`, and
# perhaps a score, by which entries with one jid are told apart.
GIVEN.fetch("acts").each do |act|
  set = SETS.fetch(act.fetch("set")).new
  entry = act["score"] ? set.fetch(act["score"], act.fetch("jid")).first : set.find_job(act.fetch("jid"))
  act["at"] ? entry.reschedule(Time.at(act["at"])) : entry.public_send(act.fetch("action"))
end
