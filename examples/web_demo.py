"""Pages that live: workers, failures, schedules and the web UI at once, on a server of its own that ends with them.

    make web-demo            or: python examples/web_demo.py [--port 9292] [--seconds N]

A made-up shop: two real worker processes run its jobs, this program enqueues them, `fastkiq web` shows it all. Only the
daily counts of the days before today are invented, or the history on the dashboard would be empty.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastkiq
from fastkiq import deploy

# What fails on purpose is on the pages; in the terminal it would hide their address.
fastkiq.configure(log_level="error")
HERE = Path(__file__).resolve()
QUEUES = ["-q", "critical,4", "-q", "default,2", "-q", "mail,2", "-q", "low,1"]
CHANCE = random.Random()


# The workers


class Checkout(fastkiq.Worker, name="shop.Checkout", queue="critical", retry=5, tags=["money"]):
    """Now and then the bank says no."""

    def perform(self, order: int, amount: float, card: dict[str, str]) -> None:
        time.sleep(CHANCE.lognormvariate(-2.5, 0.6))
        if CHANCE.random() < 0.06:
            raise ConnectionError(f"bank.example: connection reset while charging order {order}")
        if CHANCE.random() < 0.03:
            raise ValueError(f"card of order {order} was declined: insufficient funds for {amount:.2f}")


class Mail(fastkiq.Worker, name="shop.Mail", queue="mail", retry=3, backtrace=20):
    """The mail server is slow, and some addresses are wrong."""

    async def perform(self, to: str, template: str) -> None:
        await self.send(to, template)

    async def send(self, to: str, template: str) -> None:
        await asyncio.sleep(CHANCE.lognormvariate(-1.6, 0.8))
        if to.endswith(".invalid"):
            raise LookupError(f"no mail server for {to}")
        if CHANCE.random() < 0.02:
            raise TimeoutError("smtp.example did not answer within 10 s")


class Thumbnail(fastkiq.Worker, name="shop.Thumbnail", queue="low", retry=2, backtrace=True):
    """Some pictures are broken."""

    def perform(self, path: str, width: int) -> None:
        self.decode(path)
        until = time.perf_counter() + CHANCE.uniform(0.01, 0.12)
        while time.perf_counter() < until:
            sum(range(2_000))

    def decode(self, path: str) -> None:
        if path.endswith("7.png"):
            raise OSError(f"{path} is not a picture: cannot identify its format")


class Import(fastkiq.Worker, name="shop.ImportCatalogue", queue="low", retry=0, tags=["nightly", "supplier"]):
    """Takes its time: what it is doing can be seen on the page Busy."""

    def perform(self, supplier: str, rows: int) -> None:
        for row in range(rows):
            self.one(supplier, row)

    def one(self, supplier: str, row: int) -> None:
        time.sleep(0.25)
        if row == 100 and supplier == "Acme":
            raise KeyError("price")


@fastkiq.job(name="shop.clean_up", queue="default", retry=1)
def clean_up(older_than_days: int) -> None:
    """Always goes well."""
    time.sleep(CHANCE.uniform(0.2, 1.5))


# The program that enqueues


def trade(until: float) -> None:
    """Enqueues what a shop would, some ten jobs a second, until the monotonic clock says so."""
    order = 1_000
    while time.monotonic() < until:
        for _ in range(CHANCE.randrange(2, 9)):
            order += 1
            somebody = f"customer{CHANCE.randrange(500)}@{CHANCE.choice(['example.org'] * 15 + ['shop.invalid'])}"
            Checkout.perform_async(
                order, CHANCE.randrange(500, 30_000) / 100, {"holder": "A. Nother", "token": "s3cret"}
            )
            Mail.perform_async(somebody, "order-confirmed")
            if CHANCE.random() < 0.5:
                Thumbnail.perform_async(f"uploads/{order}.png", 320)
            if CHANCE.random() < 0.2:
                Mail.perform_in(timedelta(minutes=CHANCE.randrange(5, 2_000)), somebody, "how-was-it")
        if CHANCE.random() < 0.1:
            Import.perform_async(CHANCE.choice(["Acme", "Globex", "Initech"]), CHANCE.randrange(40, 240))
        if CHANCE.random() < 0.1:
            clean_up.perform_async(30)
        if CHANCE.random() < 0.01:
            deploy.mark(f"v1.{order}")
        time.sleep(CHANCE.uniform(0.3, 1.1))


def invent_history(days: int) -> None:
    """Daily counts of a shop that grows, quieter at weekends, none for today."""
    core = fastkiq.Client().core
    today = datetime.now(UTC).date()
    for back in range(1, days + 1):
        day = today - timedelta(days=back)
        runs = int((60_000 - 100 * back) * (0.55 if day.weekday() >= 5 else 1.0) * CHANCE.uniform(0.85, 1.15))
        core.command("SET", f"stat:processed:{day}", max(500, runs), "EX", 157_680_000)
        core.command("SET", f"stat:failed:{day}", max(5, int(runs * CHANCE.uniform(0.01, 0.05))), "EX", 157_680_000)


def main() -> int:
    """Runs it all, and answers the exit code."""
    parser = argparse.ArgumentParser(description="workers, failures, schedules and the web UI at once")
    parser.add_argument("--port", type=int, default=9292, help="of the web UI, on 127.0.0.1")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end by itself after so long")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the children end with it, however it is ended
    with tempfile.TemporaryDirectory(prefix="fastkiq-web-demo-") as folder:
        os.environ |= {"FASTKIQ_REDIS_URL": "embedded", "FASTKIQ_EMBEDDED_DIR": folder}
        fastkiq.configure(redis_url="embedded")
        print(f"the web UI will be at http://127.0.0.1:{given.port}/ in some seconds; Ctrl-C ends it all", flush=True)
        invent_history(90)
        deploy.mark("v1.0")
        children = [
            child("process", str(HERE), *QUEUES, "-c", "8", "-t", "5", "-g", "shop-1"),
            child("process", str(HERE), *QUEUES, "-c", "8", "-t", "5", "-g", "shop-2"),
            child("web", "--port", str(given.port), "--filter-args", "token"),
        ]
        try:
            trade(time.monotonic() + given.seconds)
        except KeyboardInterrupt:
            print("\nstopping ...", flush=True)
        finally:
            code = end(children)
    return code


def child(*arguments: str) -> subprocess.Popen[Any]:
    """`fastkiq ARGUMENTS`, out of reach of the terminal's Ctrl-C: this program ends it."""
    return subprocess.Popen([sys.executable, "-m", "fastkiq", *arguments], start_new_session=True)


def end(children: list[subprocess.Popen[Any]]) -> int:
    """The highest exit code of theirs, after all were asked to end; a second Ctrl-C waits no longer."""
    for each in children:
        each.send_signal(signal.SIGTERM)
    try:
        return max(each.wait(40) for each in children)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        for each in children:
            each.kill()
        return 1


if __name__ == "__main__":
    sys.exit(main())
