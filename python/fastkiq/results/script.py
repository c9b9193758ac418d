"""Lua scripts that a client runs: by digest, and whole only where the server does not know them, or no longer."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastkiq.errors import RedisReplyError

if TYPE_CHECKING:
    from fastkiq.client import Client


class Script:
    """One Lua script."""

    def __init__(self, file: Path) -> None:
        self._text = file.read_text("utf-8")
        self._digest = ""

    def run(self, client: "Client", keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """Answers what it does. Raises RedisError."""
        words = (len(keys), *keys, *arguments)
        try:
            return client.command("EVALSHA", self._digest or self._digested(), *words)
        except RedisReplyError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return client.command("EVAL", self._text, *words)  # which makes it known

    def _digested(self) -> str:
        from hashlib import sha1  # only here: most processes keep no results

        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()
        return self._digest
