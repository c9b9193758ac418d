"""Forks of processes that have enqueued: no connection is shared, no lock hangs, each push is what it seems."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import redis as redis_py

from faults.lab import programs
from faults.lab.programs import Finished
from faults.lab.results import record
from faults.lab.scale import dice, scaled
from servers import wait_until


def queued(redis: redis_py.Redis, queue: str = "default") -> dict[str, str]:
    """jid -> its first argument; a jid that is there twice fails."""
    jobs = [json.loads(payload) for payload in redis.lrange(f"queue:{queue}", 0, -1)]
    found = {job["jid"]: job["args"][0] for job in jobs}
    assert len(found) == len(jobs), "a job is there twice"
    return found


def assert_books(redis: redis_py.Redis, pushes: Iterable[list[str]]) -> int:
    """Each `<jid> <argument>` that was answered is in the queue, and nothing else is; answers how many."""
    pushed = dict(pushes)
    assert queued(redis) == pushed
    return len(pushed)


def assert_own_connections(done: Finished) -> int:
    """The notes `connection <pid> <client id>`: no two processes have used the same one; answers how many."""
    users: dict[str, set[str]] = {}
    for pid, connection in done.noted("connection"):
        users.setdefault(connection, set()).add(pid)
    shared = {connection: pids for connection, pids in users.items() if len(pids) > 1}
    assert not shared, f"connections of several processes: {shared}"
    return len(users)


BUSY = """
def work(client, who, count):
    "Pushes, and asks in between what only this connection can answer to this question."
    for number in range(count):
        note("push", client.push("app.Job", f"{who}.{number}"), f"{who}.{number}")
        word = f"{who}:{number}".encode()
        answer = client.core.command("ECHO", word)
        if answer != word:
            note("wrong", word, answer)
    note("connection", os.getpid(), client.core.command("CLIENT", "ID"))

def crowd(client, who, threads, count):
    crew = [threading.Thread(target=work, args=(client, f"{who}-{n}", count)) for n in range(threads)]
    for thread in crew:
        thread.start()
    return crew
"""

PREFORK = (
    BUSY
    + """
children, threads, count = map(int, sys.argv[1:])
client = fastkiq.Client()
work(client, "boot", 3)
before = crowd(client, "parent", threads, count)  # these push, and hold its locks, while it forks
pids = []
for number in range(children):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for thread in crowd(client, f"child{number}", threads, count):
                thread.join()
            client.push_bulk("app.Job", [(f"bulk{number}",)])
            note("bulk", number)
            code = 0
        finally:
            os._exit(code)
    pids.append(pid)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
for thread in before:
    thread.join()
work(client, "after", 3)
note("codes", *codes)
"""
)


@pytest.mark.timeout(180)
def test_a_prefork_server_shares_no_connection(tmp_path: Path, redis_url: str, redis: redis_py.Redis) -> None:
    children, threads, count = scaled((8, 4, 25), (32, 8, 200))
    before = redis.info("stats")["total_connections_received"]
    done = programs.run(tmp_path, PREFORK, redis_url, [str(children), str(threads), str(count)], scaled(30, 150))
    assert done.code == 0, done.output
    assert done.noted("codes") == [["0"] * children], done.output
    assert not done.noted("wrong"), "a reply went to another one's question"
    bulk = {f"bulk{number}" for (number,) in done.noted("bulk")}
    found = queued(redis)
    assert len(bulk) == children
    assert bulk <= set(found.values())
    singles = {jid: argument for jid, argument in found.items() if not argument.startswith("bulk")}
    assert singles == dict(done.noted("push"))
    used = assert_own_connections(done)
    assert redis.info("stats")["total_connections_received"] - before >= children + 1
    record(
        "fork of a process that enqueues",
        faults=children,
        jobs=len(found),
        lost=0,
        connections=used,
        seconds=done.seconds,
    )


LOCKED = """
# A thread is in the middle of whatever the first push has to do, when the process forks.
config = fastkiq.configure()
inside, go_on = threading.Event(), threading.Event()
kind = type(config)
original = getattr(kind, "@METHOD@")

def slowly(self, *args, **kwargs):
    if threading.current_thread() is not threading.main_thread() and os.getpid() == PARENT:
        inside.set()
        go_on.wait()
    return original(self, *args, **kwargs)

PARENT = os.getpid()
setattr(kind, "@METHOD@", slowly)

class Job(fastkiq.Worker):
    def perform(self, text):
        pass

first = threading.Thread(target=lambda: note("push", Job.perform_async("parent"), "parent"))
first.start()
inside.wait()
pid = os.fork()
if pid == 0:
    code = 1
    try:
        note("push", Job.perform_async("child"), "child")
        code = 0
    finally:
        os._exit(code)
note("code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
go_on.set()
first.join()
"""


@pytest.mark.parametrize("method", ["load", "resolved_url"])
def test_a_lock_held_by_a_thread_at_the_fork_is_free_in_the_child(
    tmp_path: Path, redis_url: str, redis: redis_py.Redis, method: str
) -> None:
    """`load` reads the configuration, `resolved_url` may start the embedded server: both take their time."""
    done = programs.run(tmp_path, LOCKED.replace("@METHOD@", method), redis_url, timeout=10)
    assert done.code == 0, done.output
    assert done.noted("code") == [["0"]], done.output
    assert assert_books(redis, done.noted("push")) == 2


MULTIPROCESSING = (
    BUSY
    + """
import multiprocessing

def child(number):
    import fastkiq
    from fastkiq.client import default
    work(default(), f"child{number}", 5)

if __name__ == "__main__":
    from fastkiq.client import default
    work(default(), "parent", 5)
    threads = crowd(default(), "threads", 3, 50)
    context = multiprocessing.get_context(sys.argv[1])
    crew = [context.Process(target=child, args=(number,)) for number in range(4)]
    for process in crew:
        process.start()
    for process in crew:
        process.join()
        note("code", process.exitcode)
    with context.Pool(2) as pool:
        pool.map(child, range(10, 14))
        pool.close()
        pool.join()
    for thread in threads:
        thread.join()
"""
)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_enqueue(
    tmp_path: Path, redis_url: str, redis: redis_py.Redis, method: str
) -> None:
    done = programs.run(tmp_path, MULTIPROCESSING, redis_url, [method])
    assert done.code == 0, done.output
    assert done.noted("code") == [["0"]] * 4, done.output
    assert not done.noted("wrong")
    assert assert_books(redis, done.noted("push")) == 5 + 3 * 50 + 8 * 5
    assert assert_own_connections(done) >= 1 + 4 + 1  # the pool's two children may leave all to one of them


BUFFERED = """
client = fastkiq.Client(config=fastkiq.Config(redis_url=sys.argv[1], outage_buffer=100, connect_timeout=0.2))
client.push("app.Job", "parent")
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    note("child", client.buffered)
    client.push("app.Job", "child")
    sys.exit(0)
note("code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
note("parent", client.buffered)
"""


def test_a_child_says_what_its_own_outage_buffer_loses(tmp_path: Path, redis_url: str) -> None:
    """Its exit handler concerns the child's buffer, which was empty at the fork, and never the parent's."""
    done = programs.run(tmp_path, BUFFERED, redis_url, ["redis://127.0.0.1:1/0"])
    assert done.noted("child") == [["0"]]
    assert done.noted("parent") == [["1"]]
    assert done.noted("code") == [["0"]]
    assert done.output.count("1 jobs of the outage buffer are lost") == 2, done.output


GUNICORN = """
import signal
client = fastkiq.Client()
note("push", client.push("app.Job", "boot"), "boot")

def serve(number):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    count = 0
    while True:
        argument = f"child{number}.{count}"
        note("try", argument)
        jid = client.push("app.Job", argument)
        note("push", jid, argument)
        count += 1

for number in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        serve(number)
    note("pid", pid)
while True:
    try:
        pid, status = os.wait()
    except ChildProcessError:
        break
    note("ended", pid, os.waitstatus_to_exitcode(status))
note("push", client.push("app.Job", "end"), "end")
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_children_ended_in_the_middle_of_a_push(
    tmp_path: Path, redis_url: str, redis: redis_py.Redis, number: signal.Signals
) -> None:
    """Each answered push is there, the one that was under way is there once or not at all; the others go on."""
    chance = dice(f"prefork {number}")
    children = scaled(6, 40)
    with programs.running(tmp_path, GUNICORN, redis_url, [str(children)]) as server:
        wait_until(
            lambda: len(server.noted("pid")) == children and redis.llen("queue:default") > children, 20, "all to push"
        )
        for (pid,) in server.noted("pid"):
            time.sleep(chance.uniform(0, 0.05))
            os.kill(int(pid), number)
        done = server.wait(20)
    assert done.code == 0, done.output
    codes = Counter(code for _, code in done.noted("ended"))
    assert codes == {("0" if number == signal.SIGTERM else "-9"): children}, done.output
    found = queued(redis)
    pushed = dict(done.noted("push"))
    assert pushed.items() <= found.items(), "an answered push is not there"
    tried = {argument for (argument,) in done.noted("try")}
    unanswered = [argument for jid, argument in found.items() if jid not in pushed]
    assert len(set(unanswered)) == len(unanswered) <= children
    assert set(unanswered) <= tried - set(pushed.values())
    record(
        f"{number.name} of prefork children in a push",
        faults=children,
        jobs=len(found),
        lost=len(pushed.keys() - found.keys()),
        there_without_an_answer=len(unanswered),
    )


SERVER = """
class Job(fastkiq.Worker):
    def perform(self, text):
        note("ran", os.getpid(), text)

def attempt(what, call):
    try:
        call()
        note(what, "went")
    except fastkiq.errors.ForkedError as error:
        note(what, "ForkedError:", error)

PARENT = os.getpid()
with fastkiq.run_in_process(concurrency=2, queues=["default"]) as workers:
    for number in range(int(sys.argv[1])):
        note("push", Job.perform_async(f"parent{number}"), f"parent{number}")
        pid = os.fork()
        if pid == 0:
            note("push", Job.perform_async(f"child{number}"), f"child{number}")
            attempt("stop", workers.stop)
            attempt("quiet", workers.quiet)
            note("repr", repr(workers))
            sys.exit(3)  # through the `with` block and the exit handlers, as a careless child would
        note("code", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    note("push", Job.perform_async("last"), "last")
    while not os.path.exists("stop"):
        time.sleep(0.01)
note("parent", PARENT)
"""


@pytest.mark.timeout(60)
def test_a_fork_of_workers_in_process_leaves_them_unharmed(
    tmp_path: Path, redis_url: str, redis: redis_py.Redis
) -> None:
    forks = scaled(3, 30)
    with programs.running(tmp_path, SERVER, redis_url, [str(forks)]) as server:
        wait_until(lambda: len(server.noted("ran")) == 2 * forks + 1, 25, "all jobs to run")
        (tmp_path / "stop").touch()
        done = server.wait(20)
    assert done.code == 0, done.output
    parent = done.noted("parent")[0][0]
    assert {pid for pid, _ in done.noted("ran")} == {parent}, "a forked child ran jobs"
    assert sorted(text for _, text in done.noted("ran")) == sorted(text for _, text in done.noted("push"))
    for what in ("stop", "quiet"):
        refusals = [" ".join(words) for words in done.noted(what)]
        assert len(refusals) == forks
        assert all("ForkedError: the workers belong to the parent" in text for text in refusals), refusals
    assert all("parent" in " ".join(words) for words in done.noted("repr")), done.noted("repr")
    assert done.noted("code") == [["3"]] * forks, done.output
    assert "Traceback" not in done.output
    assert not redis.exists("fastkiq:alive")
    record("fork of a process with workers inside", faults=forks, jobs=2 * forks + 1, lost=0)
