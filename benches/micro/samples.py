"""What is encoded, pushed and run here: the job of the comparisons, 180 bytes of payload, and a larger document."""

import fastkiq
from fastkiq import _core

QUEUE = "fastkiq-bench"
OPTIONS = {"retry": True, "queue": QUEUE}
BULK = 1_000
"""Jobs of one bulk push."""

ARGS = ["string", 1234, {"mike": "bob"}]
DOCUMENT = [
    {
        "id": 1_000_000 + number,
        "name": f'Invoice {number}, Zoë "O\'Neil"',
        "paid": number % 2 == 0,
        "total": 12.5 * number,
        "lines": [{"sku": f"A-{number}-{line}", "count": line, "price": 9.99} for line in range(3)],
        "note": None,
    }
    for number in range(10)
]
PAYLOAD = (
    b'{"retry":true,"queue":"fastkiq-bench","args":["string",1234,{"mike":"bob"}],"class":"samples.Nothing",'
    b'"jid":"0123456789abcdef01234567","created_at":1795305991439,"enqueued_at":1795305991439}'
)


def payload(number: int) -> bytes:
    """The same with a jid of its own."""
    return PAYLOAD.replace(b"0123456789abcdef01234567", b"%024x" % number)


FAILURE = {
    "error_message": "no route to host",
    "error_class": "OSError",
    "failed_at": 1795305991500,
    "retry_count": 0,
    "enqueued_at": None,
}
"""What a first failure splices into the stored bytes."""


class Nothing(fastkiq.Worker, queue=QUEUE, name="samples.Nothing"):
    """The shortest job there is; what remains is the cost of the engine."""

    def perform(self, text: str, number: int, options: dict[str, str]) -> None:
        return


def template() -> _core.Template:
    return _core.Template("samples.Nothing", OPTIONS)
