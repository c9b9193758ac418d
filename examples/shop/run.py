"""The whole shop on this machine, until Ctrl-C: `make demo`.

PostgreSQL, a mail server, a payment service that fails at times, the web server and a worker. Redis is the one that
REDIS_URL names, else the Valkey that comes with `fastkiq[embedded]`. All data are in `data/`: the next start has them.
"""

import argparse
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Mapping
from pathlib import Path

from services.postgres import Postgres
from services.supervisor import Program, say, watch

HERE = Path(__file__).resolve().parent
PORTS = {"web": 8000, "smtp": 8025, "payments": 8026, "mails": 8027}


def main() -> None:
    """Starts it all, in order, and ends it all, in the reverse order."""
    given = arguments()
    data: Path = given.data.resolve()
    postgres = Postgres(data)
    if given.forget:
        postgres.remove()
        shutil.rmtree(data, ignore_errors=True)
        return
    if given.manage:
        manage(data, given.manage)
    data.mkdir(parents=True, exist_ok=True)
    alone = os.open(data / "lock", os.O_WRONLY | os.O_CREAT, 0o600)  # until this process ends
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"the shop in {data} runs already: {data / 'running.json'} says where") from None
    if (data / "running.json").exists():
        say("shop", f"the last run was killed, and what it started may still run: see {data / 'running.json'}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ports = {name: free_port(0 if given.any_ports else port) for name, port in PORTS.items()}
    environment = {**os.environ, **settings(data, ports), **postgres.environment(), **given.setting}
    running: list[Program] = []

    def start(name: str, *words: str) -> None:
        running.append(Program(name, [sys.executable, *words], environment, cwd=HERE))

    def prepare(*words: str) -> None:
        if subprocess.run([sys.executable, "manage.py", *words], env=environment, cwd=HERE, check=False).returncode:
            raise SystemExit(f"manage.py {words[0]} has failed: see above")

    try:
        postgres.prepare()
        how = postgres.as_account()
        running.append(Program("postgres", postgres.command(), environment, stop=signal.SIGINT, **how))
        postgres.wait()
        prepare("migrate", "--verbosity", "0")
        prepare("seed")
        paying = ["--port", str(ports["payments"]), "--file", str(data / "charges.jsonl")]
        start("payments", "-m", "services.payment", *paying, "--failure-rate", str(given.failure_rate))
        post = ["--smtp-port", str(ports["smtp"]), "--port", str(ports["mails"]), "--folder", str(data / "mails")]
        start("mails", "-m", "services.mailbox", *post)
        start("web", "manage.py", "runserver", "--noreload", f"127.0.0.1:{ports['web']}")
        start("worker", "manage.py", "fastkiq", "process", "--timeout", "10")
        for port in ports.values():
            wait_for(port)
        tell(data, ports, environment, running)
        watch(running)
    except KeyboardInterrupt:
        say("shop", "ending ...")
    finally:
        for program in reversed(running):
            program.stop()
        (data / "running.json").unlink(missing_ok=True)


def arguments() -> argparse.Namespace:
    """The command line."""

    def setting(text: str) -> tuple[str, str]:
        name, _, value = text.partition("=")
        return name, value

    parser = argparse.ArgumentParser(description="the whole shop, until Ctrl-C")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where everything is kept")
    parser.add_argument("--any-ports", action="store_true", help="not 8000 and its like, but whatever is free")
    parser.add_argument("--failure-rate", type=float, default=0.3, help="of the payment service: 0 to 1")
    parser.add_argument("--set", type=setting, action="append", default=[], help="NAME=VALUE for the environment")
    parser.add_argument("--forget", action="store_true", help="remove the data, and do nothing else")
    parser.add_argument("--manage", nargs=argparse.REMAINDER, help="manage.py WORDS, for the shop that runs")
    given = parser.parse_args()
    given.setting = dict(given.set)
    return given


def manage(data: Path, words: list[str]) -> None:
    """Becomes `manage.py WORDS`, in the environment of the shop that runs."""
    try:
        running = json.loads((data / "running.json").read_text())
    except FileNotFoundError:
        raise SystemExit(f"no shop runs in {data}: start it first") from None
    os.chdir(HERE)
    os.execve(sys.executable, [sys.executable, "manage.py", *words], {**os.environ, **running["environment"]})


def settings(data: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """What shop/settings.py reads from the environment."""
    chosen = {
        "PYTHONUNBUFFERED": "1",
        "SHOP_DATA": str(data),
        "SHOP_DEBUG": "1",
        "SHOP_SECRET_KEY": secret_key(data / "secret-key"),
        "SHOP_SMTP_PORT": str(ports["smtp"]),
        "SHOP_PAYMENT_URL": f"http://127.0.0.1:{ports['payments']}",
        "SHOP_URL": f"http://127.0.0.1:{ports['web']}",
    }
    if "REDIS_URL" not in os.environ:
        chosen |= {
            "REDIS_URL": "embedded",
            "FASTKIQ_EMBEDDED_DIR": str(data / "valkey"),
            "FASTKIQ_EMBEDDED_LINGER": "2",
        }
    return chosen


def secret_key(file: Path) -> str:
    """Made at the first start; sessions outlive the next."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text()


def free_port(wanted: int) -> int:
    """The wanted one, or another when somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, seconds: float = 60) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nobody listens at port {port}: see above")


def tell(data: Path, ports: Mapping[str, int], environment: Mapping[str, str], running: list[Program]) -> None:
    """To people in the terminal, to programs in `running.json`."""
    web = f"http://127.0.0.1:{ports['web']}"
    addresses = {"shop": f"{web}/", "admin": f"{web}/admin/", "jobs": f"{web}/jobs/"}
    addresses |= {name: f"http://127.0.0.1:{ports[name]}/" for name in ("mails", "payments")}
    for name, address in addresses.items():
        say(name, address)
    say("login", "admin, password: admin")
    if sys.stdout.isatty() and (sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}):
        webbrowser.open(addresses["shop"])
    pids = {program.name: program.process.pid for program in running}
    ours = ("SHOP_", "PG", "REDIS_URL", "FASTKIQ_")
    chosen = {name: value for name, value in environment.items() if name.startswith(ours)}
    draft = data / "running.part"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"addresses": addresses, "pids": pids, "environment": chosen}))
    draft.rename(data / "running.json")


if __name__ == "__main__":
    main()
