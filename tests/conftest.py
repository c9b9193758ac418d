"""Fixtures that every test may use: real servers, real `fastkiq process` children, clean data for each test.

redis_url                 a server with nothing in it; on both families when the test is marked `both_servers`
redis                     a redis-py client to it (bytes)
unix_url, tls_redis_url, sentinel_url    the same kind of server, reached otherwise
start_server(*options)    one more server, of the test's own: to stop, kill, freeze, restart
proxy                     before `redis_url`'s server: cuts lines, loses replies, stalls
worker_process(source, *arguments, env=...)    `fastkiq process` as a child, on `redis_url`
call(*arguments, stdin=..., NAME=value...)     a run of the command line; `ask` is the same on `redis_url`
terminal(*arguments, columns=80)               the command line on a pseudo-terminal, on `redis_url`
"""

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from urllib.parse import quote

import pytest
import redis as redis_py
import trustme
from hypothesis import HealthCheck, settings

from children import Child, clean_environment, fastkiq
from fastkiq import context, registry
from proxy import Proxy
from servers import FAMILIES, REDIS_8, Server, binary, debian_folder, wait_until
from terminal import Terminal

IN_CI = os.environ.get("FASTKIQ_CI") == "1"
OWN = (
    "FASTKIQ_CI",
    "FASTKIQ_LONG",
    "FASTKIQ_RESULTS",
    "FASTKIQ_RUBY",
    "FASTKIQ_SEED",
    "FASTKIQ_FUZZ_EXAMPLES",
    "FASTKIQ_FUZZ_SEED",
    "FASTKIQ_FUZZ_REPORT",
)
SERVICE = "fastkiq-test"

# Beside other tests, on few cores, everything takes longer now and then.
settings.register_profile("fastkiq", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fastkiq")

for name in [name for name in os.environ if name.startswith("FASTKIQ_") and name not in OWN] + ["REDIS_URL"]:
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """What a test defines is gone after it."""
    names = registry.snapshot()
    yield
    registry.restore(names)
    context.ask_to_stop(False)


def pytest_sessionstart() -> None:
    """In CI both servers are there or nothing runs: a skipped half would look like a passed whole."""
    wanted = [*FAMILIES, *([REDIS_8] if debian_folder() else [])]
    missing = [family for family in wanted if binary(family) is None]
    if missing[: len(FAMILIES)] == list(FAMILIES) or (missing and IN_CI):
        raise pytest.UsageError(f"these tests need a server that is not here: {', '.join(missing)}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `both_servers` runs once on each family, and on Redis 8 where it is."""
    if metafunc.definition.get_closest_marker("both_servers"):
        metafunc.parametrize("family", [*FAMILIES, *([REDIS_8] if binary(REDIS_8) else [])], indirect=True)


@pytest.fixture
def family(request: pytest.FixtureRequest) -> str:
    """Which server this test runs on: Redis, or Valkey where there is no Redis, unless the mark says both."""
    return getattr(request, "param", None) or next(family for family in FAMILIES if binary(family))


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """One server a family, started when first asked for."""
    started: dict[str, Server] = {}

    def server_of(family: str) -> Server:
        if family not in started:
            started[family] = Server(family, tmp_path_factory.mktemp(family)).start()
        return started[family]

    yield server_of
    for server in started.values():
        server.stop()


@pytest.fixture
def server(family: str, servers: Callable[[str], Server]) -> Server:
    """The server behind `redis_url`: shared, emptied for this test, not to be stopped (see `start_server`)."""
    if binary(family) is None:
        pytest.skip(f"no {family} server on this machine; .ci/run installs it")
    shared = servers(family)
    with shared.client() as client:
        # What an earlier test has left open would be counted, woken or served in this one.
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        client.flushall()
        client.script_flush()
    return shared


@pytest.fixture
def redis_url(server: Server) -> str:
    return server.url


@pytest.fixture
def redis(server: Server) -> Iterator[redis_py.Redis]:
    with server.client() as client:
        yield client


@pytest.fixture
def unix_url(server: Server) -> str:
    return server.unix_url


@pytest.fixture
def start_server(family: str, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`start_server("appendonly yes", ...)`: a server of the test's own, with these lines in its configuration."""
    if binary(family) is None:
        pytest.skip(f"no {family} server on this machine; .ci/run installs it")
    started: list[Server] = []

    def start(*options: str, sentinel: bool = False) -> Server:
        folder = tmp_path / f"server-{len(started)}"
        started.append(Server(family, folder, *options, sentinel=sentinel))
        return started[-1].start()

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and server.pem and client.pem (key and certificate) signed by it."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    return folder


@pytest.fixture
def tls_proxy(server: Server, certificates: Path) -> Iterator[Proxy]:
    """TLS before `redis_url`'s server (the packaged Valkey speaks none itself), with a certificate for localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem")
    with Proxy(server.port, context) as running:
        yield running


@pytest.fixture
def tls_redis_url(tls_proxy: Proxy, certificates: Path) -> str:
    return f"{tls_proxy.url}?ssl_ca_certs={quote(str(certificates / 'ca.pem'))}"


@pytest.fixture
def sentinel(server: Server, start_server: Callable[..., Server]) -> Server:
    """A Sentinel that watches `redis_url`'s server as `fastkiq-test`."""
    watching = start_server(
        f"sentinel monitor {SERVICE} 127.0.0.1 {server.port} 1",
        f"sentinel down-after-milliseconds {SERVICE} 2000",
        f"sentinel failover-timeout {SERVICE} 5000",
        sentinel=True,
    )
    with watching.client() as client:
        wait_until(lambda: client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE), 10, "the sentinel")
    return watching


@pytest.fixture
def sentinel_url(sentinel: Server) -> str:
    return f"redis+sentinel://127.0.0.1:{sentinel.port}/{SERVICE}/0"


@pytest.fixture
def worker_process(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., Child]]:
    """`worker_process(source, *arguments, env=None, name="app")`: writes NAME.py and processes it."""
    children: list[Child] = []

    def start(source: str, *arguments: str, env: Mapping[str, str] | None = None, name: str = "app") -> Child:
        file = tmp_path / f"{name}.py"
        file.write_text(dedent(source))
        environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url, **(env or {})})
        children.append(Child(fastkiq("process", file.name, *arguments), tmp_path, environment))
        return children[-1]

    yield start
    for child in children:
        child.close()


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            fastkiq(*arguments),
            cwd=tmp_path,
            env=clean_environment(environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def ask(
    call: Callable[..., subprocess.CompletedProcess[str]], redis_url: str
) -> Callable[..., subprocess.CompletedProcess[str]]:
    return lambda *arguments, stdin="", **environment: call(
        *arguments, stdin=stdin, FASTKIQ_REDIS_URL=redis_url, **environment
    )


@pytest.fixture
def terminal(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def start(*arguments: str, columns: int = 80) -> Terminal:
        environment = clean_environment({"FASTKIQ_REDIS_URL": redis_url})
        started.append(Terminal(fastkiq(*arguments), tmp_path, environment, columns))
        return started[-1]

    yield start
    for each in started:
        each.close()
