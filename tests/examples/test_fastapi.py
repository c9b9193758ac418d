"""examples/fastapi as its README runs it: in one process, and with workers beside it."""

import json
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from children import Child, clean_environment, fastkiq
from servers import free_port, wait_until

FOLDER = Path(__file__).parents[2] / "examples" / "fastapi"
Start = Callable[..., Child]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    started: list[Child] = []

    def child(*arguments: str, **environment: str) -> Child:
        known = {"FASTKIQ_REDIS_URL": redis_url, "WORDCOUNT_FOLDER": str(tmp_path / "counts"), **environment}
        started.append(Child(arguments, FOLDER, clean_environment(known)))
        return started[-1]

    yield child
    for each in started:
        each.close()


def ask(url: str, data: Any = None, password: str = "") -> Any:
    request = urllib.request.Request(url, None if data is None else json.dumps(data).encode())
    request.add_header("Content-Type", "application/json")
    if password:
        request.add_header("Authorization", f"Basic {b64encode(f'admin:{password}'.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    return json.loads(text) if answer.headers["Content-Type"] == "application/json" else text


def status(url: str, data: Any = None, password: str = "") -> int:
    try:
        ask(url, data, password)
    except urllib.error.HTTPError as error:
        return error.code
    return 200


def count(url: str) -> None:
    job = ask(f"{url}/counts", {"text": "A rose is a rose", "most": 2})["id"]
    wait_until(lambda: status(f"{url}/counts/{job}") == 200, 15, "the words")
    assert ask(f"{url}/counts/{job}") == [["a", 2], ["rose", 2]]


def serve(start: Start, **environment: str) -> tuple[str, Child]:
    port = str(free_port())
    web = start(sys.executable, "-m", "uvicorn", "wordcount:app", "--port", port, **environment)
    web.wait_for("Uvicorn running", 30)
    return f"http://127.0.0.1:{port}", web


def test_all_in_one_process(start: Start) -> None:
    url, web = serve(start, ADMIN_PASSWORD="secret")
    count(url)
    assert status(f"{url}/counts", {"text": "x", "most": 0}) == 422
    assert status(f"{url}/counts/..%2f..%2fetc") == 404
    assert [status(f"{url}/jobs/", None, password) for password in ("", "wrong", "secret")] == [401, 401, 200]
    web.stop()
    assert "Application shutdown complete" in web.output()


def test_workers_beside_it(start: Start) -> None:
    url, _ = serve(start, WORKERS="0")
    workers = start(*fastkiq("process", "wordcount.py"))
    workers.wait_for("ready:", 30)
    count(url)
    assert status(f"{url}/jobs/", None, "x") == 401
    assert workers.stop() == 0
