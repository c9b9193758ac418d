"""`fastkiq web`: the web UI by itself."""

import importlib.util
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from fastkiq.cli.completion import files
from fastkiq.cli.redis_option import configured, redis_options
from fastkiq.errors import ConfigError
from fastkiq.logging import setup
from fastkiq.printable import printable

if TYPE_CHECKING:
    from fastkiq.web.security.credentials import Credentials

_NEEDED: Final = ("starlette", "jinja2", "uvicorn", "a2wsgi")
_LONGEST_SECRET: Final = 4_096  # bytes of a file with a token
_PATIENCE: Final = 3  # seconds that requests under way get at the end

_EXAMPLES = """\b
Examples:
  fastkiq web                   http://127.0.0.1:9292, for this machine
  fastkiq web --read-only       where nothing can be changed
  fastkiq web --host 0.0.0.0 --username ops --allow-host jobs.example.org
                                for others too; asks for the password

FASTKIQ_WEB_PASSWORD, FASTKIQ_WEB_TOKEN and FASTKIQ_WEB_SECRET (which signs the
tokens of forms) keep secrets off the command line. Beyond this machine there
must be a user name or a token, and something before it that speaks TLS.
"""


@click.command(epilog=_EXAMPLES)
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65_535), default=9292, show_default=True, help="0 takes any free one.")
@click.option(
    "--allow-host", "allowed_hosts", multiple=True, metavar="NAME", help="A name it is called by; *.NAME for all below."
)
@click.option(
    "--username",
    metavar="NAME",
    help="Let in who knows this name and the password, of FASTKIQ_WEB_PASSWORD or typed here.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    shell_complete=files,
    help="File with a bearer token for programs; or FASTKIQ_WEB_TOKEN.",
)
@click.option("--read-only", is_flag=True, help="Nothing can be changed.")
@click.option(
    "--filter-args", "filter_args", metavar="NAMES", default="", help="Arguments whose values are not shown: a,b,c."
)
@click.option("--prefix", default="", metavar="PATH", help="What a proxy takes off the path, such as /jobs.")
@redis_options
def web(
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...],
    username: str | None,
    token_file: str | None,
    read_only: bool,
    filter_args: str,
    prefix: str,
    **given: Any,
) -> None:
    """Serves the web UI."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(f"the web UI needs {', '.join(missing)}: pip install 'fastkiq[web]'")
    from fastkiq.web.application import build, checked_prefix, checked_secret
    from fastkiq.web.audit import LOGGER as AUDIT
    from fastkiq.web.security.hosts import HostList
    from fastkiq.web.site import Site

    config = configured(**given)
    credentials = _credentials(username, token_file)
    _refuse_strangers(host, credentials)
    try:
        site = Site(
            config=config,
            redis_url=None,
            hosts=HostList.of(allowed_hosts, bound=host),
            credentials=credentials,
            read_only=read_only,
            standalone=True,
            prefix=checked_prefix(prefix),
            filter_args=frozenset(filter(None, (name.strip() for name in filter_args.split(",")))),
            secret=checked_secret(os.environ.get("FASTKIQ_WEB_SECRET")),
        )
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    setup(None if config.log_format == "auto" else config.log_format, config.log_level.upper())
    AUDIT.setLevel(logging.INFO)  # whatever else is not worth a line
    with _listener(host, port) as listener:
        _serve(build(site), listener, f"{_shown(host, listener)}{site.prefix}/", config.safe_url())


def _credentials(username: str | None, token_file: str | None) -> "Credentials":
    """From the environment, a file or a prompt: what stands on the command line is read by everybody on the machine."""
    from fastkiq.web.security.credentials import Credentials

    password = os.environ.get("FASTKIQ_WEB_PASSWORD")
    token = os.environ.get("FASTKIQ_WEB_TOKEN")
    if token_file is not None:
        try:
            with Path(token_file).open(encoding="utf-8") as file:
                token = file.read(_LONGEST_SECRET).strip()
        except (OSError, UnicodeError) as error:
            raise click.UsageError(f"--token-file {printable(token_file, 200)} cannot be read: {error}") from None
    if username is not None and password is None:
        if not sys.stdin.isatty():
            raise click.UsageError("--username needs a password: give it in FASTKIQ_WEB_PASSWORD")
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        return Credentials(username, password if username is not None else None, token)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _refuse_strangers(host: str, credentials: "Credentials") -> None:
    from fastkiq.web.security.loopback import is_loopback

    if not credentials and not is_loopback(host):
        raise click.UsageError(
            f"--host {printable(host, 100)} lets other machines in, and nobody would be asked who they are: "
            "give --username (password in FASTKIQ_WEB_PASSWORD) or --token-file"
        )


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens; what is wrong with the address is said here, before anything has begun."""
    where = f"{printable(host, 100)} port {port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((address[0], address[1]), family=family, backlog=256)
    except OSError as error:
        hint = "; is it running already? --port takes another one" if "in use" in str(error) else ""
        raise click.ClickException(f"cannot listen at {where}: {error.strerror or error}{hint}") from None
    # asyncio does so itself, but not for sockets it was given; without it the second half of each answer waits 40 ms
    # for the acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _shown(host: str, listener: socket.socket) -> str:
    name = f"[{host}]" if ":" in host else printable(host, 100)
    return f"http://{name}:{listener.getsockname()[1]}"


def _serve(application: Any, listener: socket.socket, url: str, redis_url: str) -> None:
    import uvicorn

    from fastkiq.web.connection import Connection

    class Server(uvicorn.Server):
        """Says where it is, once it is there."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            click.echo(f"fastkiq: {url} shows {printable(redis_url, 200)}; Ctrl-C stops it", err=True)

    options = uvicorn.Config(
        application,
        http=Connection,
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # a client could say that it is another
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE,
        limit_concurrency=500,
    )
    # uvicorn raises the signals that stopped it once more when it is done: to stop is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    Server(options).run(sockets=[listener])
