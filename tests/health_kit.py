"""What the tests of `--health` share: an application, and a supervisor that asks."""

import http.client
import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from children import Child

Start = Callable[..., Child]

APP = """
    import time, fastkiq
    from fastkiq.client import default

    fastkiq.configure(lease=2, concurrency=3)

    class Ok(fastkiq.Worker):
        def perform(self, seconds=0.0):
            time.sleep(seconds)

    class Bad(fastkiq.Worker):
        def perform(self):
            raise ValueError("no")

    class Async(fastkiq.Worker):
        async def perform(self): ...

    class Hog(fastkiq.Worker):
        "Holds the interpreter, without a look at anything else."
        def perform(self):
            sum(range(2 * 10**8))
"""


class Answer(NamedTuple):
    status: int
    text: str
    content_type: str
    seconds: float


class Probe:
    """A supervisor of one process."""

    def __init__(self, child: Child) -> None:
        text = child.wait_for(lambda text: re.search(r"health: http://\S+/live", text))
        found = re.search(r"health: http://(.+):(\d+)/live", text)
        assert found is not None
        self.host, self.port = found[1].strip("[]"), int(found[2])

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.headers["Connection"] == "close"
        return Answer(response.status, text, response.headers["Content-Type"], time.monotonic() - began)

    def raw(self, request: bytes) -> bytes:
        """The whole answer to these bytes."""
        with socket.create_connection((self.host, self.port), timeout=10) as line:
            line.sendall(request)
            answer = b""
            while more := line.recv(65536):
                answer += more
        return answer

    def metrics(self) -> dict[str, Metric]:
        answer = self.get("/metrics")
        assert answer.status == 200
        assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
        families = list(text_string_to_metric_families(answer.text))
        assert len({family.name for family in families}) == len(families)
        assert all(family.documentation and family.type != "unknown" for family in families)
        return {family.name: family for family in families}

    def value(self, name: str, **labels: str) -> float:
        """Of the one sample of that name with these labels."""
        samples = [sample for family in self.metrics().values() for sample in family.samples]
        (value,) = [sample.value for sample in samples if sample.name == name and sample.labels == labels]
        return float(value)


def ready(child: Child) -> Probe:
    child.wait_for("ready: fastkiq")
    return Probe(child)
