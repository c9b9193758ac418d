"""web(**options)    the web UI on a real socket, on `redis_url` unless told otherwise; answers its URL
deeds             what the pages of `web_probe` have changed; asking for it puts them in
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from fastkiq.web import app
from web_probe import Deeds, probing
from web_server import serve_asgi


@pytest.fixture
def web(redis_url: str) -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serve_asgi(app(**{"redis_url": redis_url, **options})))


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deeds]:
    with probing(monkeypatch) as found:
        yield found


Web = Callable[..., Any]
