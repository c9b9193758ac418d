"""Fixtures of the fault tests.

ledger    where the jobs of `lab/app.py` note their runs: a server of its own, never broken, emptied for each test
crew      `crew(url, *options, lease=2.0, app=APP)`: workers on that server and that ledger
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from faults.lab.crew import Crew
from faults.lab.ledger import Ledger
from faults.lab.scale import LONG, SEED
from servers import FAMILIES, Server, binary


def pytest_report_header() -> str:
    return f"fault tests: {'long' if LONG else 'short'} form, FASTKIQ_SEED={SEED}"


@pytest.fixture(scope="session")
def ledger_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    family = next(family for family in FAMILIES if binary(family))
    running = Server(family, tmp_path_factory.mktemp("ledger")).start()
    yield running
    running.stop()


@pytest.fixture
def ledger(ledger_server: Server) -> Iterator[Ledger]:
    with ledger_server.client() as client:
        client.flushall()
        yield Ledger(client)


@pytest.fixture
def ledger_redis(ledger_server: Server) -> Iterator[redis_py.Redis]:
    with ledger_server.client() as client:
        yield client


@pytest.fixture
def crew(tmp_path: Path, ledger: Ledger, ledger_server: Server) -> Iterator[Callable[..., Crew]]:
    crews: list[Crew] = []

    def make(url: str, *options: str, **settings: Any) -> Crew:
        crews.append(Crew(tmp_path, url, ledger_server.url, *options, **settings))
        return crews[-1]

    yield make
    for made in crews:
        made.close()
