"""One client of one form, on the interpreter of the timed sides: needs hiredis, and nothing of fastkiq.

    python child.py FORM PORT JOBS SIZE [ID START]     claims and acks JOBS jobs in batches of SIZE

Prints {"began", "ended"}. ID: the name under which fastkiq's own form claims, so that several clients can; START: when
they are to begin. All times are seconds of CLOCK_MONOTONIC.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import hiredis
from forms import FORMS, Command, Flights, FlightsApart, FlightsTwoConnections, Form, Transaction
from lab.floor_child import Line

RECEIVE = 1 << 18


def send(line: Line, commands: list[Command]) -> None:
    line.socket.sendall(b"".join([hiredis.pack_command(words) for words in commands]))


def receive(line: Line, count: int) -> list[Any]:
    """RuntimeError at the first reply that is an error."""
    replies: list[Any] = []
    gets, feed, recv = line.reader.gets, line.reader.feed, line.socket.recv
    while len(replies) < count:
        while (reply := gets()) is False:
            feed(recv(RECEIVE))
        if isinstance(reply, hiredis.ReplyError):
            raise RuntimeError(str(reply))
        replies.append(reply)
    return replies


def trip(line: Line, commands: list[Command]) -> list[Any]:
    send(line, commands)
    return receive(line, len(commands))


def together(form: Form, line: Line, _: int, jobs: int, size: int) -> None:
    """Each ack leaves in the trip of the next claim."""
    acks: list[Command] = []
    while jobs > 0:
        claim = form.claim(min(size, jobs))
        taken = form.taken(trip(line, acks + claim)[len(acks) :])
        jobs -= len(taken)
        acks = _ack_of(form, taken)
    trip(line, acks)


def _ack_of(form: Form, taken: Any) -> list[Command]:
    if not taken:
        raise RuntimeError("a claim found nothing though jobs were left")
    return form.ack(taken)


def apart(form: Form, line: Line, _: int, jobs: int, size: int) -> None:
    while jobs > 0:
        taken = form.taken(trip(line, form.claim(min(size, jobs))))
        jobs -= len(taken)
        trip(line, _ack_of(form, taken))


def two_connections(form: Form, line: Line, port: int, jobs: int, size: int) -> None:
    """The ack is sent just before the claim, and its answer read after that of the claim."""
    other, unread = Line(port), 0
    while jobs > 0:
        claim = form.claim(min(size, jobs))
        send(line, claim)
        taken = form.taken(receive(line, len(claim)))
        jobs -= len(taken)
        receive(other, unread)
        acks = _ack_of(form, taken)
        send(other, acks)
        unread = len(acks)
    receive(other, unread)


def watched(form: Form, line: Line, _: int, jobs: int, size: int) -> None:
    assert isinstance(form, Transaction)
    acks: list[Command] = []
    while jobs > 0:
        taken = trip(line, acks + form.look(min(size, jobs)))[-1]
        if trip(line, form.move(taken))[-1] is None:
            raise RuntimeError("the transaction failed though nobody else was there")
        jobs -= len(taken)
        acks = _ack_of(form, taken)
    trip(line, acks)


LOOPS: dict[type[Form], Callable[[Form, Line, int, int, int], None]] = {
    FlightsApart: apart,
    FlightsTwoConnections: two_connections,
    Transaction: watched,
}


def main() -> None:
    name, port, jobs, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    line = Line(port)

    def load(source: str) -> bytes:
        words = (b"FUNCTION", b"LOAD", b"REPLACE") if source.startswith("#!lua") else (b"SCRIPT", b"LOAD")
        answer: bytes = trip(line, [(*words, source.encode())])[0]
        return answer

    form = FORMS[name](load)
    if len(sys.argv) > 5 and isinstance(form, Flights):
        form.identity = sys.argv[5].encode()
        time.sleep(max(0.0, float(sys.argv[6]) - time.monotonic()))
    began = time.monotonic()
    LOOPS.get(type(form), together)(form, line, port, jobs, size)
    print(json.dumps({"began": began, "ended": time.monotonic()}))


if __name__ == "__main__":
    main()
