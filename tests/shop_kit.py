"""The shop of examples/shop as `make demo` runs it, looked at from outside: pages, mails, charges, rows, jobs."""

import base64
import email
import email.policy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zlib
from email.message import EmailMessage
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
import redis as redis_py

from children import Child, clean_environment
from fastkiq import embedded
from servers import wait_until

FOLDER = Path(__file__).parents[1] / "examples" / "shop"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 45.0  # seconds; two slow cores may have much else to do
QUICKLY = {"SHOP_SHIPPING_SECONDS": "1", "SHOP_RETRY_SECONDS": "0.02"}


def missing() -> str | None:
    """What this machine lacks for the shop, if anything."""
    if CHROMIUM is None:
        return "no chromium"
    if shutil.which("postgres") is None and not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        return "no PostgreSQL"
    return None


class Shop:
    """A run of `run.py` on free ports, with its data in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.child: Child | None = None

    def start(self) -> None:
        """Returns when every address answers."""
        settings = [f"--set={name}={value}" for name, value in QUICKLY.items()]
        words = ["--any-ports", "--data", str(self.folder), *settings]
        self.child = Child([sys.executable, str(FOLDER / "run.py"), *words], self.folder.parent, clean_environment())
        self.child.wait_for("password: admin", 90)
        wait_until((self.folder / "running.json").exists)

    def stop(self) -> int:
        """Ctrl-C, and the exit code."""
        assert self.child is not None
        self.child.signal(signal.SIGINT)
        code = self.child.wait(40)
        self.child.close()
        return code

    def remove(self) -> None:
        """Nothing of it is left, whatever state it is in."""
        if self.child is not None and self.child.returncode is None:
            self.stop()
        if self.child is not None:
            self.child.close()
        words = [sys.executable, str(FOLDER / "run.py"), "--data", str(self.folder), "--forget"]
        subprocess.run(words, check=True, timeout=30)

    @property
    def running(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "running.json").read_text())
        return found

    def address(self, name: str) -> str:
        address: str = self.running["addresses"][name]
        return address

    def output(self) -> str:
        assert self.child is not None
        return self.child.output()

    def rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """Of PostgreSQL, by a connection of our own."""
        where = self.running["environment"]
        with psycopg.connect(host=where["PGHOST"], user=where["PGUSER"], dbname=where["PGDATABASE"]) as line:
            cursor = line.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def number(self, query: LiteralString, *values: object) -> int:
        return int(self.rows(query, *values)[0][0])

    def jobs(self) -> dict[str, int]:
        """Those that Redis holds, by where: queued, in flight, in retry, scheduled, dead; empty places are left out."""
        url = embedded.ensure(self.folder / "valkey")
        with redis_py.Redis.from_url(url) as redis:
            places = {name: redis.zcard(name) for name in ("retry", "schedule", "dead")}
            for pattern in ("queue:*", "fastkiq:flight:*"):
                places |= {os.fsdecode(key): redis.llen(key) for key in redis.scan_iter(pattern, _type="list")}
        embedded.release(self.folder / "valkey")  # else it would wait for this process
        return {place: count for place, count in places.items() if count}

    def manage(self, *words: str) -> str:
        """`manage.py WORDS`, as staff would at the machine."""
        command = [sys.executable, str(FOLDER / "run.py"), "--data", str(self.folder), "--manage", *words]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def charges(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.address('payments')}charges").json()
        return found

    def fail(self, rate: float) -> None:
        """From now on so many requests to the payment service fail."""
        httpx.post(f"{self.address('payments')}failure-rate", data={"rate": str(rate)})

    def mails(self, to: str) -> dict[str, EmailMessage]:
        """By subject, those to one customer: the kept .eml files."""
        found = {}
        for path in (self.folder / "mails").glob("*.eml"):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            if mail["To"] == to:
                found[str(mail["Subject"])] = mail
        return found

    def processes(self) -> dict[int, str]:
        """Whatever runs for this shop: the data's folder is in its command line or environment."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if int(folder.name) != os.getpid() and os.fsencode(self.folder) in text:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found


class Customer:
    """One visitor without a browser, who does what the forms do."""

    def __init__(self, shop: Shop, mail: str) -> None:
        self.mail = mail
        self.http = httpx.Client(base_url=shop.address("shop"), timeout=PATIENCE, follow_redirects=True)

    def __enter__(self) -> "Customer":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def put(self, slug: str, quantity: int) -> None:
        """Into the cart."""
        self.http.get(f"products/{slug}/")
        self.post(f"products/{slug}/add/", quantity=str(quantity))

    def order(self, card: str = "card_good") -> str:
        """The order's token."""
        answer = self.post("checkout/", name="A customer", email=self.mail, address="Quay 5", card=card)
        found = re.search(r"/orders/([0-9a-f-]{36})/$", str(answer.url))
        assert found, (answer.url, answer.text)
        return found[1]

    def post(self, path: str, **fields: str) -> httpx.Response:
        answer = self.http.post(path, data={**fields, "csrfmiddlewaretoken": self.http.cookies["csrftoken"]})
        assert answer.status_code == 200, answer.text
        return answer


def pdf_text(data: bytes) -> str:
    """What reportlab has written into its streams."""
    assert data.startswith(b"%PDF-")
    text = b""
    for stream in re.findall(rb"stream\r?\n(.*?)~>endstream", data, re.S):
        text += zlib.decompress(base64.a85decode(stream))
    return " ".join(part.decode("latin-1") for part in re.findall(rb"\((.*?)\) Tj", text))
