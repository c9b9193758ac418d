"""What was measured with, and what about it makes the figures smaller than they could be."""

import os
import platform
import sys
import sysconfig

from fastkiq import _core
from fastkiq.bench.meter import info
from fastkiq.errors import RedisError


def server(core: _core.Client) -> str:
    """Name and version, as far as the server tells."""
    try:
        facts = info(core, "server")
    except RedisError:
        return "unknown (INFO is refused)"
    name = facts.get("server_name", "redis")
    return f"{name} {facts.get('valkey_version') or facts.get('redis_version', '?')}"


def python() -> str:
    """Implementation and version."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def machine() -> str:
    """System, architecture and the processors that this process may use."""
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return f"{platform.system()} {platform.machine()}, {usable} CPU{'' if usable == 1 else 's'}"


def optimised() -> bool | None:
    """Whether this interpreter was built with PGO; None = cannot be told.

    Linux distributions do so without a word of it in the build's settings, so the interpreter in /usr counts as one.
    """
    arguments = sysconfig.get_config_var("CONFIG_ARGS")
    if not isinstance(arguments, str) or not arguments:
        return None
    if "--enable-optimizations" in arguments:
        return True
    if sys.platform != "linux":
        return None
    return sys.base_prefix == "/usr"


def hints() -> list[str]:
    """One sentence each."""
    found: list[str] = []
    if _core.debug_build:
        found.append(
            "this is a debug build of fastkiq, many times slower than a release build: the figures mean little"
        )
    if optimised() is False:
        found.append(
            "this Python was built without --enable-optimizations (PGO): one that was is 1.1 to 1.9 times as fast"
        )
    if hasattr(sys, "gettotalrefcount"):
        found.append("this is a debug build of Python, several times slower than a usual one")
    if sys.flags.dev_mode:
        found.append("Python's development mode (-X dev) is on and slows everything down")
    return found
