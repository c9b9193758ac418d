"""Encoding and decoding through the border, on the interpreter of the timed sides, with the wheel that is installed.

python codec.py SECONDS     prints {"encode", "decode"}: calls a second
"""

import json
import sys
import time
from collections.abc import Callable

from fastkiq import _core

ARGS = ["string", 1234, {"mike": "bob"}]
DATA = _core.encode({"retry": True, "queue": "default", "args": ARGS, "class": "jobs.NoOp", "jid": "0" * 24})
ROUND = 1_000


def rate(call: Callable[..., object], argument: object, seconds: float) -> float:
    calls, began = 0, time.perf_counter()
    until = began + seconds
    while (now := time.perf_counter()) < until:
        for _ in range(ROUND):
            call(argument)
        calls += ROUND
    return calls / (now - began)


def main() -> None:
    seconds = float(sys.argv[1])
    rate(_core.encode, ARGS, seconds / 10)
    print(json.dumps({"encode": rate(_core.encode, ARGS, seconds), "decode": rate(_core.decode, DATA, seconds)}))


if __name__ == "__main__":
    main()
