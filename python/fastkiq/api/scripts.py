"""The Lua scripts of the inspection API, loaded when they are first asked for."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from fastkiq.api.connection import Pipeline, Redis
from fastkiq.errors import RedisReplyError


def run(redis: Redis | Pipeline, name: str, keys: Sequence[Any], arguments: Sequence[Any]) -> Any:
    """Runs `lua/<name>.lua`; in a pipeline it is queued. Its text is sent only where Redis does not know it yet."""
    text, digest = _script(name)
    if isinstance(redis, Pipeline):
        return redis.execute_command("EVAL", text, len(keys), *keys, *arguments)  # type: ignore[no-untyped-call]
    try:
        return redis.evalsha(digest, len(keys), *keys, *arguments)
    except RedisReplyError as error:
        if not isinstance(error.__cause__, NoScriptError):
            raise
        return redis.execute_command("EVAL", text, len(keys), *keys, *arguments)


@cache
def _script(name: str) -> tuple[str, str]:
    text = Path(__file__).with_name("lua").joinpath(f"{name}.lua").read_text("utf-8")
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()
