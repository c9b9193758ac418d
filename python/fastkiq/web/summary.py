"""The figures that stand at the top of each page, in two round trips to Redis."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import redis


@dataclass(frozen=True)
class Summary:
    """None: Redis did not say."""

    processed: int | None = None
    failed: int | None = None
    busy: int | None = None
    enqueued: int | None = None
    retries: int | None = None
    scheduled: int | None = None
    dead: int | None = None
    server: str = ""
    memory: str = ""
    clients: int | None = None
    uptime: float | None = None


def summary(redis: "redis.Redis") -> Summary:
    """Asks Redis. Raises redis-py's errors."""
    pipe: Any = redis.pipeline(transaction=False)
    pipe.mget("stat:processed", "stat:failed").zcard("retry").zcard("schedule").zcard("dead")
    pipe.smembers("queues").smembers("processes").info()
    (processed, failed), retries, scheduled, dead, queues, processes, info = pipe.execute()
    for queue in queues:
        pipe.llen(b"queue:" + queue)
    for process in processes:
        pipe.hget(process, "busy")
    sizes = pipe.execute() if queues or processes else []
    name = info.get("server_name", "redis")
    return Summary(
        processed=_whole(processed),
        failed=_whole(failed),
        busy=sum(map(_whole, sizes[len(queues) :])),
        enqueued=sum(sizes[: len(queues)]),
        retries=retries,
        scheduled=scheduled,
        dead=dead,
        server=f"{str(name).capitalize()} {info.get('valkey_version') or info.get('redis_version', '?')}",
        memory=str(info.get("used_memory_human", "?")),
        clients=info.get("connected_clients"),
        uptime=info.get("uptime_in_seconds"),
    )


def _whole(value: Any) -> int:
    return int(value) if value and value.isdigit() and len(value) < 20 else 0
