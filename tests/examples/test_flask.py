"""examples/flask as its README runs it: pages and workers are processes of their own."""

import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from children import Child, clean_environment
from servers import free_port, wait_until

FOLDER = Path(__file__).parents[2] / "examples" / "flask"


class Site:
    """The running example."""

    def __init__(self, url: str, workers: Child) -> None:
        self.url = url
        self.workers = workers

    def get(self, path: str, password: str = "") -> str:
        request = urllib.request.Request(self.url + path)
        if password:
            request.add_header("Authorization", f"Basic {b64encode(f'admin:{password}'.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def leave(self, name: str, text: str) -> None:
        data = urllib.parse.urlencode({"name": name, "text": text}).encode()
        with urllib.request.urlopen(self.url + "/", data, timeout=10) as answer:
            assert answer.status == 200


@pytest.fixture
def site(redis_url: str, tmp_path: Path) -> Iterator[Site]:
    environment = clean_environment(
        {"FASTKIQ_REDIS_URL": redis_url, "ADMIN_PASSWORD": "secret", "GUESTBOOK_FOLDER": str(tmp_path / "book")}
    )
    port = free_port()
    flask = [sys.executable, "-m", "flask", "--app", "guestbook"]
    pages = Child([*flask, "run", "--port", str(port)], FOLDER, environment)
    workers = Child([*flask, "fastkiq", "process"], FOLDER, environment)
    try:
        pages.wait_for("Running on", 30)
        workers.wait_for("ready:", 30)
        yield Site(f"http://127.0.0.1:{port}", workers)
        assert workers.stop() == 0
    finally:
        pages.close()
        workers.close()


def test_an_entry_is_published_by_a_job_in_the_application_context(site: Site) -> None:
    site.leave("Ann", "<b>see</b> https://spam.example/x")
    wait_until(lambda: "Ann" in site.get("/"), 15, "the entry")
    page = site.get("/")
    assert "&lt;b&gt;see&lt;/b&gt; (a link)" in page
    assert "an entry of 33 characters is in the book" in site.workers.output()


def test_only_the_admin_sees_the_jobs(site: Site) -> None:
    for password in ("", "wrong"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            site.get("/jobs/", password)
    assert "fastkiq" in site.get("/jobs/", "secret")


def test_without_a_password_nobody_is_let_in(redis_url: str) -> None:
    code = "import guestbook; print(guestbook.app.test_client().get('/jobs/', auth=('admin', '')).status_code)"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=FOLDER,
        env=clean_environment({"FASTKIQ_REDIS_URL": redis_url}),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert answer.stdout == "403\n"
