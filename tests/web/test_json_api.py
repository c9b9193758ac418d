"""The JSON API over real sockets."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis as redis_py

from fastkiq.web.pages import api_acting, api_reading
from web_server import Answer, ask

Web = Callable[..., str]
TOKEN = "t" * 32
XSS = "<script>alert(1)</script>\"'\u2028"


class Api:
    """Asks with the token."""

    def __init__(self, base: str) -> None:
        self.base = base

    def get(self, path: str, status: int = 200) -> Any:
        return self._told(ask(self.base + path, headers={"Authorization": f"Bearer {TOKEN}"}), status)

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self._told(ask(self.base + path, method="POST", headers=headers, body=raw), status)

    def _told(self, answer: Answer, status: int) -> Any:
        assert answer.status == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        return json.loads(answer.body.decode("ascii"))


@pytest.fixture
def api(web: Web) -> Api:
    return Api(web(token=TOKEN))


def payload(number: int, **fields: Any) -> dict[str, Any]:
    at = int(time.time() * 1000) - 5_000
    usual = {"class": "A", "jid": f"{number:024x}", "queue": "mail", "args": [number], "retry": True, "created_at": at}
    return {**usual, **fields}


def retries(redis: redis_py.Redis, count: int, **fields: Any) -> None:
    failed = {"error_class": "IOError", "error_message": "no", "retry_count": 0, "failed_at": 1_795_000_000_000}
    entries = {json.dumps(payload(number, **failed, **fields)): 2e9 + number for number in range(count)}
    redis.zadd("retry", entries)


def waiting(redis: redis_py.Redis, count: int) -> None:
    redis.sadd("queues", "mail")
    redis.lpush("queue:mail", *(json.dumps(payload(number, enqueued_at=1_795_000_000_000)) for number in range(count)))


def process(redis: redis_py.Redis, identity: str, **info: Any) -> None:
    told = {"hostname": "host", "pid": 7, "version": "fastkiq 0.1.0", "queues": ["mail"], "identity": identity, **info}
    redis.sadd("processes", identity)
    redis.hset(identity, mapping={"info": json.dumps(told), "busy": 1, "concurrency": 5, "beat": time.time()})
    work = {"queue": "mail", "payload": json.dumps(payload(77)), "run_at": int(time.time())}
    redis.hset(f"{identity}:work", "t1", json.dumps(work))


def test_figures_and_history(api: Api, redis: redis_py.Redis) -> None:
    waiting(redis, 3)
    retries(redis, 2)
    process(redis, "host:7:abc")
    redis.set("stat:processed", 9)
    found = api.get("/api/summary")
    named = {"processed": 9, "failed": 0, "busy": 1, "processes": 1, "enqueued": 3, "retries": 2, "scheduled": 0}
    assert {name: found[name] for name in named} == named
    assert found["redis"]["name"] in ("redis", "valkey")
    assert len(api.get("/api/history?days=7")["days"]) == 7


def test_queues_and_their_jobs(api: Api, redis: redis_py.Redis) -> None:
    waiting(redis, 60)
    assert api.get("/api/queues")["queues"][0] | {"latency": 0} == {
        "name": "mail",
        "size": 60,
        "latency": 0,
        "paused": False,
    }
    assert api.get("/api/queues/mail")["memory"] > 1_000
    first = api.get("/api/queues/mail/jobs?limit=50")
    second = api.get(f"/api/queues/mail/jobs?limit=50&cursor={first['next']}")
    assert [job["args"] for job in first["jobs"] + second["jobs"]] == [[number] for number in reversed(range(60))]
    assert (first["total"], second["next"]) == (60, None)
    assert api.get("/api/queues/mail/jobs?direction=asc&limit=1")["jobs"][0]["jid"] == f"{0:024x}"
    assert len(api.get("/api/queues/mail/jobs?argument=59")["jobs"]) == 1
    assert api.post("/api/queues/mail/pause") == {"done": 0}
    assert redis.sismember("paused", "mail")
    api.post("/api/queues/mail/resume")
    assert not redis.exists("paused")
    keys = [job["key"] for job in first["jobs"][:3]]
    told = api.post("/api/queues/mail/jobs/delete", {"keys": [*keys, "0-0"], "near": "head_0"})
    assert told == {"done": 3, "gone": 1, "refused": 0, "reasons": []}
    assert api.post("/api/queues/mail/clear") == {"done": 57}


def test_entries_of_the_sets(api: Api, redis: redis_py.Redis, caplog: pytest.LogCaptureFixture) -> None:
    retries(redis, 30)
    first = api.get("/api/retries?limit=20")
    assert (first["total"], len(first["jobs"])) == (30, 20)
    assert len(api.get(f"/api/retries?cursor={first['next']}")["jobs"]) == 10
    one = first["jobs"][0]
    assert one["error"]["class"] == "IOError"
    assert one["at"] == "2033-05-18T03:33:20.000+00:00"
    whole = api.get(f"/api/retries/{quote(one['key'])}")
    assert whole["payload"]["error_message"] == "no"
    with caplog.at_level(logging.INFO, "fastkiq.web.audit"):
        assert api.post(f"/api/retries/{one['key']}/retry")["done"] == 1
        assert redis.llen("queue:mail") == 1
        assert api.post(f"/api/retries/{one['key']}/retry", status=404)["status"] == 404
        keys = [job["key"] for job in first["jobs"]]
        assert api.post("/api/retries/kill", {"keys": keys}) == {"done": 19, "gone": 1, "refused": 0, "reasons": []}
    assert [record.getMessage().partition(" from")[0] for record in caplog.records] == [
        "action=retry who=token",
        "action=kill who=token",
    ]
    assert api.get("/api/dead")["total"] == 19
    assert api.post("/api/dead/delete", {"all": True})["done"] == 19
    redis.zadd("schedule", {json.dumps(payload(1)): 2e9})
    assert api.post("/api/scheduled/enqueue", {"all": True})["done"] == 1


def test_all_that_match_and_no_others(api: Api, redis: redis_py.Redis) -> None:
    retries(redis, 5)
    retries(redis, 4, tags=["vip"])
    told = api.post("/api/retries/delete", {"all": True, "tag": "vip"})
    assert (told["done"], told["next"]) == (4, None)
    assert redis.zcard("retry") == 5
    assert api.post("/api/retries/delete", {"all": True, "before": 1})["done"] == 0
    assert api.post("/api/retries/delete", {"all": True, "error": "IOError: n"})["done"] == 5


def test_what_cannot_be_done_stays(api: Api, redis: redis_py.Redis) -> None:
    redis.zadd("retry", {json.dumps({"jid": "x", "class": "A"}): 2e9})
    assert "is no job" in api.post("/api/retries/2000000000.0-x/retry", status=409)["error"]
    assert redis.zcard("retry") == 1


def test_a_job_is_found_wherever_it_is(api: Api, redis: redis_py.Redis) -> None:
    waiting(redis, 3)
    retries(redis, 3)
    process(redis, "host:7:abc")
    found = wherever(api, f"{1:024x}")
    assert [each["set"] for each in found["sets"]] == ["retries"]
    assert [each["queue"] for each in found["waiting"]] == ["mail"]
    assert wherever(api, f"{77:024x}")["running"][0]["thread"] == "t1"
    assert wherever(api, "nobody") == {"running": [], "sets": [], "waiting": []}


def wherever(api: Api, jid: str) -> dict[str, list[Any]]:
    """All parts of the search."""
    whole: dict[str, list[Any]] = {"running": [], "sets": [], "waiting": []}
    cursor = ""
    for _ in range(100):
        part = api.get(f"/api/jobs/{jid}?cursor={quote(cursor)}")
        for name, found in whole.items():
            found += part[name]
        cursor = part["next"]
        if cursor is None:
            return whole
    raise AssertionError("the search does not end")


def test_processes_and_their_work(api: Api, redis: redis_py.Redis) -> None:
    process(redis, "host:7:abc")
    process(redis, "host:8:inner", embedded=True)
    told = api.get("/api/processes")["processes"]
    assert [(each["identity"], each["embedded"]) for each in told] == [("host:7:abc", False), ("host:8:inner", True)]
    assert {each["process"] for each in api.get("/api/work")["work"]} == {"host:7:abc", "host:8:inner"}
    assert api.post("/api/processes/host:7:abc/quiet") == {"done": 1}
    assert redis.lrange("host:7:abc-signals", 0, -1) == [b"TSTP"]
    assert "inside of another program" in api.post("/api/processes/host:8:inner/stop", status=409)["error"]
    assert api.post("/api/processes/nobody/stop", status=404)
    assert api.post("/api/processes/stop") == {"done": 1}
    assert redis.lrange("host:7:abc-signals", 0, -1) == [b"TERM", b"TSTP"]
    assert not redis.exists("host:8:inner-signals")


def test_metrics(api: Api, redis: redis_py.Redis) -> None:
    now = time.gmtime()
    key = f"j|{time.strftime('%y%m%d', now)}|{now.tm_hour}:{now.tm_min:02}"
    redis.hset(key, mapping={"A|p": 4, "A|f": 1, "A|ms": 3_000})
    (told,) = api.get("/api/metrics")["classes"]
    assert told == {"class": "A", "processed": 4, "failed": 1, "milliseconds": 3_000, "average": 1.0}
    assert api.get("/api/metrics/A")["by_time"][0]["processed"] == 4
    assert "72h" in api.get("/api/metrics?period=9h", status=400)["error"]


def test_hostile_jobs_are_json(api: Api, redis: redis_py.Redis) -> None:
    raws = [
        json.dumps(payload(1, **{"class": XSS, "args": [XSS, "\ud800"], "tags": [XSS], "error_message": XSS * 9_000})),
        '{"class":"A","args":[1e999,-1e999,' + "9" * 4_000 + '],"jid":"1"}',
        '{"class":"A","args":"' + "x" * 100_000 + '","jid":"2"}',
        '{"class":"A","args":' + "[" * 90 + "]" * 90 + ',"jid":"3"}',
        "no json",
        "",
        "[1]",
        "x" * 1_200_000,
        '{"class":null,"args":null,"jid":null,"created_at":1e300,"retry_count":"x","tags":7,"error_class":[]}',
    ]
    redis.sadd("queues", "mail")
    redis.lpush("queue:mail", *raws)
    redis.zadd("retry", {raw: float(number) for number, raw in enumerate(raws)})
    found = api.get("/api/queues/mail/jobs?limit=100")["jobs"]
    assert [job.get("class") for job in found][-1] == XSS
    assert len(found) == len(raws)
    assert found[-2]["args"][:2] == ["Infinity", "-Infinity"]
    for entry in api.get("/api/retries?limit=100")["jobs"]:
        api.get("/api/retries/" + quote(entry["key"], safe=""))
    redis.set("queue:wrong", "x")
    assert "is no list" in api.get("/api/queues/wrong", status=503)["error"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/retries/delete", None, 400),
        ("/api/retries/delete", {"keys": []}, 400),
        ("/api/retries/delete", {"keys": "x"}, 400),
        ("/api/retries/delete", {"keys": [1]}, 400),
        ("/api/retries/delete", {"keys": ["x"]}, 400),
        ("/api/retries/delete", {"keys": ["1-x"] * 1_001}, 400),
        ("/api/retries/delete", {"all": "yes"}, 400),
        ("/api/retries/delete", {"all": True, "keys": ["1-x"]}, 400),
        ("/api/retries/delete", {"all": True, "klass": "shop.Mail"}, 400),
        ("/api/retries/delete", {"all": True, "class": " "}, 400),
        ("/api/retries/delete", {"all": True, "\ud800\xfc": 1}, 400),
        ("/api/retries/delete", {"keys": ["1-x"], "class": "shop.Mail"}, 400),
        ("/api/queues/mail/clear", {"class": "shop.Mail"}, 400),
        ("/api/queues/mail/jobs/delete", {"keys": ["x"], "class": "shop.Mail"}, 400),
        ("/api/processes/stop", {"identity": "x"}, 400),
        ("/api/retries/delete", {"all": True, "class": 5}, 400),
        ("/api/retries/delete", {"all": True, "clas": "B"}, 400),
        ("/api/retries/delete", {"all": True, "class": ""}, 400),
        ("/api/retries/delete?class=B", {"all": True}, 400),
        ("/api/retries/delete", {"all": True, "class": "x" * 1_001}, 400),
        ("/api/retries/delete", {"all": True, "cursor": "x"}, 400),
        ("/api/retries/delete", {"all": True, "before": "x"}, 400),
        ("/api/retries/delete", {"all": True, "before": 10**400}, 400),
        ("/api/retries/delete", {"all": True, "clas": "Nobody"}, 400),
        ("/api/retries/delete", {"all": True, "jid": "x"}, 400),
        ("/api/retries/delete?class=Nobody", {"all": True}, 400),
        ("/api/queues/mail/clear", {"class": "Nobody"}, 400),
        ("/api/processes/quiet", {"identity": "x"}, 400),
        ("/api/retries/delete", b"{", 400),
        ("/api/retries/delete", b"[]", 400),
        ("/api/retries/delete", b"\xff", 400),
        ("/api/retries/explode", {"all": True}, 405),
        ("/api/dead/kill", {"all": True}, 405),
        ("/api/queues/mail/explode", None, 404),
        ("/api/processes/x/kill", None, 404),
        ("/api/nothing", None, 404),
    ],
)
def test_bad_bodies_change_nothing(api: Api, redis: redis_py.Redis, path: str, body: Any, status: int) -> None:
    retries(redis, 2)
    waiting(redis, 1)
    told = api.post(path, body, status)
    assert told["status"] == status
    assert told["error"]
    assert redis.zcard("retry") == 2
    assert redis.llen("queue:mail") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/retries?limit=101",
        "/api/retries?cursor=x",
        "/api/queues/mail/jobs?cursor=tail_0",
        "/api/queues/mail/jobs?direction=x",
        "/api/processes?cursor=x",
        "/api/work?cursor=xx~",
        "/api/history?days=2000",
        f"/api/jobs/{'x' * 1_001}",
        "/api/jobs/x?cursor=x",
        "/api/retries/x",
    ],
)
def test_bad_parameters(api: Api, path: str) -> None:
    assert api.get(path, 400)["status"] == 400


def test_who_may_act(web: Web, redis: redis_py.Redis) -> None:
    waiting(redis, 1)
    base = web()
    assert ask(base + "/api/summary").status == 200
    assert ask(base + "/api/queues/mail/clear", method="POST").status == 403
    assert ask(base + "/api/queues/mail/clear", method="POST", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
    read_only = web(token=TOKEN, read_only=True)
    Api(read_only).post("/api/queues/mail/clear", status=403)
    assert ask(read_only + "/api/summary").status == 401
    assert redis.llen("queue:mail") == 1
    same = {"Sec-Fetch-Site": "same-origin"}
    assert json.loads(ask(base + "/api/queues/mail/clear", method="POST", headers=same).text) == {"done": 1}


def test_filtered_arguments_stay_hidden(web: Web, redis: redis_py.Redis) -> None:
    redis.zadd("retry", {json.dumps(payload(1, args=[{"token": "s3cret"}])): 2e9})
    redis.lpush("queue:mail", json.dumps(payload(1, args=[{"token": "s3cret"}])))
    api = Api(web(token=TOKEN, filter_args=["token"]))
    paths = ("/api/retries", f"/api/retries/2000000000.0-{1:024x}", "/api/queues/mail/jobs")
    for told in map(json.dumps, [*map(api.get, paths), wherever(api, f"{1:024x}")]):
        assert "FILTERED" in told
        assert "s3cret" not in told
    assert api.get("/api/retries?argument=s3c")["jobs"] == []
    assert api.post("/api/retries/delete", {"all": True, "substr": "s3cret"})["done"] == 0


def test_every_path_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "web-api.md").read_text()
    for route in [*api_reading.routes, *api_acting.routes]:
        last = route.path.rpartition("/")[2]  # type: ignore[attr-defined]
        assert (last if not last.startswith("{") else last.strip("{}").upper()) in page.replace("CLASS", "NAME")
