"""Reads what Redis holds, for the listings: plain dictionaries, built from contents that may be hostile.

Nothing is read whole because it is there: sets are walked, values are measured in Redis before they are sent.
"""

import time
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

from fastkiq import _core
from fastkiq.errors import RedisReplyError
from fastkiq.job import Job
from fastkiq.printable import counted, printable
from fastkiq.retry import epoch_seconds

Row = dict[str, Any]

LONGEST: Final = 1_048_576
"""Bytes of an entry that is shown with its contents."""
MOST_QUEUES: Final = 100_000
"""Queues whose jobs are counted: some 0.3 s."""
MOST_PROCESSES: Final = 10_000
MOST_WORK: Final = 10_000
"""Running jobs of one process."""
_ANSWER: Final = 4_194_304  # bytes of one answer
_TOGETHER: Final = 1_000  # keys of one call


class Inspector:
    """Everything the listings show. Bulk strings come as bytes; what is not UTF-8 is shown with replacements."""

    def __init__(self, core: _core.Client) -> None:
        self._core = core
        self.notes: list[str] = []
        """What is not shown, and why; for people."""

    def stats(self) -> Row:
        """Totals and sizes."""
        processes = self.processes()
        return {
            "processed": _number(self._call("GET", "stat:processed")),
            "failed": _number(self._call("GET", "stat:failed")),
            "busy": sum(process["busy"] for process in processes),
            "processes": len(processes),
            "enqueued": sum(max(0, size) for _, size, _ in self._lengths(MOST_QUEUES, "counted", jobs=False)),
            "scheduled": self._call("ZCARD", "schedule") or 0,
            "retries": self._call("ZCARD", "retry") or 0,
            "dead": self._call("ZCARD", "dead") or 0,
            **self._server(),
        }

    def _server(self) -> Row:
        info = dict(line.split(":", 1) for line in _text(self._core.command("INFO")).splitlines() if ":" in line)
        version = info.get("valkey_version") or info.get("redis_version", "?")
        return {
            "server": f"{info.get('server_name', 'redis')} {version}",
            "memory": info.get("used_memory_human", "?"),
            "clients": _number(info.get("connected_clients")),
            "uptime_days": _number(info.get("uptime_in_days")),
        }

    def queues(self, limit: int = 1_000) -> list[Row]:
        """So many queues, each with its size, the age of its next job in seconds (None when that is too long to be
        read), and whether it is paused."""
        rows: list[Row] = []
        for some in _groups(self._lengths(limit, "shown; -n shows more", jobs=True), _TOGETHER):
            paused = self._call("SMISMEMBER", "paused", *(name for name, _, _ in some)) or [0] * len(some)
            for (name, size, job), is_paused in zip(some, paused, strict=True):
                if size < 0:
                    self.notes.append(f"queue:{printable(_text(name), 200)} is no list: it is left out")
                    continue
                rows.append(
                    {
                        "queue": _text(name),
                        "size": size,
                        "latency": None if size and job is None else _age(job),
                        "paused": is_paused == 1,
                    }
                )
        return sorted(rows, key=lambda row: str(row["queue"]))

    def _lengths(self, limit: int, what: str, *, jobs: bool) -> Iterator[tuple[bytes, int, bytes | None]]:
        """Each queue's name, its length (-1: it is no list), and with `jobs` its next job unless that is too long."""
        script = _script("lengths")
        for names in _groups(self._members("queues", limit, what), 25 if jobs else _TOGETHER):
            keys = [b"queue:" + name for name in names]
            flat = self._core.command("EVAL", script, len(keys), *keys, LONGEST if jobs else 0)
            yield from zip(names, flat[::2], flat[1::2], strict=True)

    def jobs(self, key: str, limit: int) -> list[Row]:
        """Jobs of `retry` and `schedule`, the next first; of `dead`, the latest first."""
        order = "latest" if key == "dead" else "next"
        rows: list[Row] = []
        while len(rows) < limit:
            page = min(limit - len(rows), _TOGETHER)
            words = (order, len(rows), page, LONGEST, _ANSWER)
            flat = self._call("EVAL", _script("entries"), 1, key, *words, key=key) or []
            for raw, score, length in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
                rows.append(_job(raw, float(score)) if raw is not None else _too_long(length, float(score)))
            if not flat:
                break
        return rows

    def processes(self) -> list[Row]:
        """Those whose heartbeat is not older than a minute."""
        found: list[Row] = []
        names = ("info", "busy", "concurrency", "rss", "quiet")
        for identities in _groups(self._members("processes", MOST_PROCESSES, "looked at"), 100):
            flat = self._core.command("EVAL", _script("fields"), len(identities), *identities, LONGEST // 16, *names)
            values = [None if value is None else _text(value) for value in flat]
            for at, identity in enumerate(identities):
                fields = dict(zip(names, values[at * len(names) :], strict=False))
                if info := _object(fields["info"]):
                    found.append(_process(_text(identity), info, fields))
        return sorted(found, key=lambda row: str(row["process"]))

    def work(self) -> Iterator[Row]:
        """What runs now, by the last heartbeat of each process."""
        for process in self.processes():
            key = f"{process['process']}:work"
            if (size := self._call("HLEN", key) or 0) > MOST_WORK:
                self.notes.append(f"{printable(key, 200)} holds {size:,} jobs: it is left out")
                continue
            for some in _groups(self._core.command("HKEYS", key) if size else [], 25):
                texts = self._core.command("EVAL", _script("fields"), 1, key, LONGEST, *some)
                for thread, text in zip(some, texts, strict=True):
                    yield _work(process["process"], _text(thread), _object(None if text is None else _text(text)))

    def _members(self, key: str, limit: int, what: str) -> Iterator[bytes]:
        """So many members of a set, each once."""
        size = self._call("SCARD", key) or 0
        if size > limit:
            self.notes.append(f"of {counted(size, 'member')} of {key!r} only the first {limit:,} are {what}")
        seen: set[bytes] = set()
        cursor = b"0" if size else b""
        while cursor:
            cursor, names = self._core.command("SSCAN", key, cursor, "COUNT", _TOGETHER)
            for name in names:
                if len(seen) >= limit:
                    return
                if name not in seen:  # a walk may come by twice
                    seen.add(name)
                    yield name
            if cursor == b"0":
                return

    def _call(self, *words: Any, key: str | None = None) -> Any:
        """One command; None, and a note, when its key is of another type than it should be."""
        try:
            return self._core.command(*words)
        except RedisReplyError as error:
            if "WRONGTYPE" not in str(error):
                raise
            self.notes.append(f"{printable(key or words[1], 200)} holds something else than it should: it is left out")
            return None


def _process(identity: str, info: Row, fields: dict[str, str | None]) -> Row:
    queues = info.get("queues")
    return {
        "process": identity,
        "tag": str(info.get("tag") or ""),
        "busy": _number(fields["busy"]),
        "concurrency": _number(fields["concurrency"]),
        "queues": [str(name) for name in queues] if isinstance(queues, list) else [],
        "rss_mib": round(_number(fields["rss"]) / 1024, 1),
        "quiet": fields["quiet"] == "true",
        "started_at": _time(info.get("started_at")),
    }


def _work(process: str, thread: str, entry: Row) -> Row:
    job = Job.from_bytes(str(entry.get("payload", "")).encode("utf-8", "replace"))
    started = _time(entry.get("run_at"))
    return {
        "process": process,
        "thread": thread,
        "queue": str(entry.get("queue", "")),
        "class": job.class_name,
        "jid": job.jid,
        "args": job.args,
        "seconds": None if started is None else max(0.0, time.time() - started),
    }


def _job(raw: bytes, score: float) -> Row:
    job = Job.from_bytes(raw, at=score)
    return {
        "jid": job.jid,
        "class": job.class_name,
        "queue": job.queue,
        "args": job.args,
        "at": score,
        "retry_count": job.retry_count,
        "error": ": ".join(part for part in (job.error_class, job.error_message) if part) or None,
    }


def _too_long(length: int, score: float) -> Row:
    """An entry of which Redis has told no more than its length."""
    return {**_job(b"", score), "error": f"its {length:,} bytes are too many to be shown"}


@cache
def _script(name: str) -> str:
    return Path(__file__).with_name("lua").joinpath(f"{name}.lua").read_text("utf-8")


def _groups(items: Iterable[Any], most: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while some := list(islice(iterator, most)):
        yield some


def _age(raw: bytes | None) -> float:
    enqueued = None if raw is None else epoch_seconds(Job.from_bytes(raw).payload.get("enqueued_at"))
    return 0.0 if enqueued is None else max(0.0, time.time() - enqueued)


def _time(value: object) -> float | None:
    """Epoch seconds, whole or not, as the hashes of processes have them."""
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e11 else None


def _object(text: str | None) -> Row:
    try:
        value = _core.decode(text or "")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    text = _text(value) if isinstance(value, (bytes, str)) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
