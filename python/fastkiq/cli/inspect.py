"""Reads what Redis holds, for the listings: plain dictionaries, built from contents that may be hostile."""

import time
from collections.abc import Iterator
from typing import Any

from fastkiq import _core
from fastkiq.job import Job
from fastkiq.retry import epoch_seconds

Row = dict[str, Any]


class Inspector:
    """Everything the listings show. Bulk strings come as bytes; what is not UTF-8 is shown with replacements."""

    def __init__(self, core: _core.Client) -> None:
        self._core = core

    def stats(self) -> Row:
        """Totals and sizes."""
        call = self._core.command
        processes = self.processes()
        return {
            "processed": _number(call("GET", "stat:processed")),
            "failed": _number(call("GET", "stat:failed")),
            "busy": sum(process["busy"] for process in processes),
            "processes": len(processes),
            "enqueued": sum(queue["size"] for queue in self.queues()),
            "scheduled": call("ZCARD", "schedule"),
            "retries": call("ZCARD", "retry"),
            "dead": call("ZCARD", "dead"),
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

    def queues(self) -> list[Row]:
        """Each queue with its size, the age of its next job in seconds, and whether it is paused."""
        paused = {_text(name) for name in self._core.command("SMEMBERS", "paused")}
        rows: list[Row] = []
        for name in sorted(_text(name) for name in self._core.command("SMEMBERS", "queues")):
            size = self._core.command("LLEN", f"queue:{name}")
            last = self._core.command("LINDEX", f"queue:{name}", -1)
            rows.append({"queue": name, "size": size, "latency": _age(last), "paused": name in paused})
        return rows

    def jobs(self, key: str, limit: int) -> list[Row]:
        """Jobs of `retry` and `schedule`, the next first; of `dead`, the latest first."""
        command = "ZREVRANGE" if key == "dead" else "ZRANGE"
        flat = self._core.command(command, key, 0, limit - 1, "WITHSCORES")
        return [_job(raw, float(score)) for raw, score in zip(flat[::2], flat[1::2], strict=True)]

    def processes(self) -> list[Row]:
        """Those whose heartbeat is not older than a minute."""
        found: list[Row] = []
        for identity in sorted(_text(name) for name in self._core.command("SMEMBERS", "processes")):
            fields = self._hash(identity)
            info = _object(fields.get("info"))
            if not info:
                continue
            queues = info.get("queues")
            found.append(
                {
                    "process": identity,
                    "tag": str(info.get("tag") or ""),
                    "busy": _number(fields.get("busy")),
                    "concurrency": _number(fields.get("concurrency")),
                    "queues": [str(name) for name in queues] if isinstance(queues, list) else [],
                    "rss_mib": round(_number(fields.get("rss")) / 1024, 1),
                    "quiet": fields.get("quiet") == "true",
                    "started_at": _time(info.get("started_at")),
                }
            )
        return found

    def work(self) -> Iterator[Row]:
        """What runs now, by the last heartbeat of each process."""
        for process in self.processes():
            for thread, text in self._hash(f"{process['process']}:work").items():
                entry = _object(text)
                job = Job.from_bytes(str(entry.get("payload", "")).encode("utf-8", "replace"))
                started = _time(entry.get("run_at"))
                yield {
                    "process": process["process"],
                    "thread": thread,
                    "queue": str(entry.get("queue", "")),
                    "class": job.class_name,
                    "jid": job.jid,
                    "args": job.args,
                    "seconds": None if started is None else max(0.0, time.time() - started),
                }

    def _hash(self, key: str) -> dict[str, str]:
        flat = [_text(part) for part in self._core.command("HGETALL", key)]
        return dict(zip(flat[::2], flat[1::2], strict=True))


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
