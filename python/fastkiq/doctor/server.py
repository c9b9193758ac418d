"""Checks of the server: whether it keeps what it has acknowledged, and whether it will take the next job."""

from collections.abc import Callable, Iterator
from typing import Final

from fastkiq import boot_checks
from fastkiq.doctor.facts import Facts, whole
from fastkiq.doctor.finding import Finding, Level
from fastkiq.printable import counted

_LARGEST_REPLY: Final = 16 * 1024 * 1024
"""Bytes; a payload of 8 MiB, and a claim of 4 MiB besides, must fit."""
_LAG: Final = 10
"""Seconds that a replica may be behind."""


def check(facts: Facts) -> Iterator[Finding]:
    """All of them, one finding each."""
    for each in _CHECKS:
        yield each(facts)


def version(facts: Facts) -> Finding:
    """Whether the server has the commands that fastkiq needs."""
    if not facts.info.get("redis_version"):
        return _hidden("version", "the server does not tell its version")
    try:
        boot_checks.refuse_old(facts.info)
    except boot_checks.BootError as error:
        return Finding("version", "critical", str(error), "upgrade it: workers refuse to start")
    return Finding("version", "ok", f"{facts.server} is new enough")


def cluster(facts: Facts) -> Finding:
    """Scripts touch keys of several slots."""
    if facts.info.get("redis_mode") == "cluster" or facts.info.get("cluster_enabled") == "1":
        do = "use a server of its own, with Sentinel where it must fail over"
        return Finding("cluster", "critical", "this is a cluster: fastkiq's scripts need all keys on one server", do)
    if "redis_mode" not in facts.info and "cluster_enabled" not in facts.info:
        return _hidden("cluster", "the server does not tell whether it is a cluster")
    return Finding("cluster", "ok", "it is no cluster")


def eviction(facts: Facts) -> Finding:
    """What it does when it is full."""
    remark = boot_checks.eviction(facts.info)
    if remark is not None:
        return Finding("eviction", remark.level, remark.found, remark.do)
    if "maxmemory_policy" not in facts.info:
        return _hidden("eviction", "the server does not tell its maxmemory-policy")
    return Finding("eviction", "ok", "it drops no keys (maxmemory-policy noeviction)")


def persistence(facts: Facts) -> Finding:
    """What is left after a restart."""
    remark = boot_checks.persistence(facts.info)
    if remark is not None:
        return Finding("persistence", remark.level, remark.found, remark.do)
    if facts.info.get("aof_enabled") != "1":
        return _hidden("persistence", "the server does not tell what it keeps on disk")
    sync = facts.setting("appendfsync")
    if sync == "no" and facts.embedded:
        return Finding("persistence", "ok", "fastkiq syncs its append-only file each second")
    if sync == "no":
        found = "it leaves it to the system when the append-only file reaches the disk: a crash may lose half a minute"
        return Finding("persistence", "warning", found, "set appendfsync everysec (or always)")
    if sync == "everysec":
        found = "a crash of its machine may lose the last second (appendfsync everysec)"
        return Finding("persistence", "ok", found, "set appendfsync always where even that is too much")
    if sync == "always":
        return Finding("persistence", "ok", "every write is on disk before its answer (appendfsync always)")
    return Finding("persistence", "ok", "it keeps an append-only file; how often that is synced it does not tell")


def last_writes(facts: Facts) -> Finding:
    """Whether what it wrote to the disk last has arrived there."""
    names = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    if not any(name in facts.info for name in names):
        return _hidden("disk", "the server does not tell whether its last writes to disk went well")
    failed = [name for name in names if facts.info.get(name, "ok") not in ("ok", "")]
    if failed:
        found = f"its last write to disk failed ({', '.join(failed)}): it may refuse jobs, and loses them when it ends"
        return Finding("disk", "critical", found, "look at its log and at the free space of its disk")
    return Finding("disk", "ok", "its last writes to disk went well")


def memory(facts: Facts) -> Finding:
    """How much room is left."""
    used, limit, whole_machine = map(facts.number, ("used_memory", "maxmemory", "total_system_memory"))
    if used is None or limit is None:
        return _hidden("memory", "the server does not tell its memory")
    what, most = ("maxmemory", limit) if limit else ("its machine's memory", whole_machine or 0)
    if not most:
        return Finding("memory", "ok", f"{_mib(used)} used, without a limit")
    found = f"{_mib(used)} used, {used / most:.0%} of {what}"
    if used >= most * 0.95:
        found += ": it will refuse jobs, or be killed" if not limit else ": it will refuse jobs"
        return Finding("memory", "critical", found, "give it more, or find out what fills it (fastkiq stats)")
    if used >= most * 0.8:
        return Finding("memory", "warning", found, "give it more before it refuses jobs")
    return Finding("memory", "ok", found)


def replica(facts: Facts) -> Finding:
    """Whether it takes writes at all."""
    role = facts.info.get("role")
    if role is None:
        return _hidden("role", "the server does not tell whether it is a replica")
    if role != "master":
        found = f"this is a replica of {facts.info.get('master_host', '?')}: it takes no jobs"
        return Finding("role", "critical", found, "connect to its master, or through redis+sentinel://")
    return Finding("role", "ok", "it takes writes")


def replicas(facts: Facts) -> Finding:
    """Whether those who would take over have what it has."""
    count = facts.number("connected_slaves")
    wanted = whole(facts.setting("min-replicas-to-write"))
    if count is None:
        return _hidden("replicas", "the server does not tell its replicas")
    good = facts.number("min_slaves_good_slaves")
    asked = facts.wait_replicas
    if asked > count:
        found = (
            f"wait_replicas is {asked} and {counted(count, 'replica')} {'is' if count == 1 else 'are'} connected: "
            f"each enqueue call waits {facts.wait_seconds:g} s and raises PushUncertain"
        )
        return Finding("replicas", "critical", found, "connect its replicas, or set wait_replicas lower")
    if wanted and (count if good is None else good) < wanted:
        found = f"it wants {counted(wanted, 'replica')} that keep up and has {count if good is None else good}"
        return Finding("replicas", "critical", f"{found}: it refuses jobs", "bring its replicas back")
    behind = []
    for at in range(min(count, 1_000)):
        line = facts.info.get(f"slave{at}", "")
        fields = dict(part.split("=", 1) for part in line.split(",") if "=" in part)
        lag = whole(fields.get("lag"))
        if line and (fields.get("state") != "online" or (lag or 0) > _LAG):
            behind.append(f"{fields.get('ip', '?')}:{fields.get('port', '?')} ({fields.get('state', '?')})")
    if behind:
        found = f"{counted(len(behind), 'replica')} not up to date: {', '.join(behind[:5])}"
        return Finding("replicas", "warning", found, "a failover to such a one loses jobs: look at its log")
    if count and asked:
        return Finding("replicas", "ok", f"{counted(count, 'replica')} up to date, and wait_replicas is {asked}")
    if count and not wanted:
        found = f"{counted(count, 'replica')} up to date; a master cut off from them takes jobs that a failover loses"
        return Finding("replicas", "info", found, "set min-replicas-to-write 1 where it fails over by itself")
    return Finding("replicas", "ok", "no replicas" if not count else f"{counted(count, 'replica')} up to date")


def clients(facts: Facts) -> Finding:
    """Whether one more process finds a place."""
    used = facts.number("connected_clients")
    limit = facts.number("maxclients") or whole(facts.setting("maxclients"))
    if used is None or not limit:
        return _hidden("clients", "the server does not tell how many clients it takes")
    found = f"{used:,} of {limit:,} connections taken"
    if used >= limit * 0.8:
        level: Level = "critical" if used >= limit * 0.95 else "warning"
        do = "raise maxclients, or find out who holds so many (CLIENT LIST)"
        return Finding("clients", level, f"{found}: the next worker or web process may find no place", do)
    return Finding("clients", "ok", found)


def idle_timeout(facts: Facts) -> Finding:
    """Whether it hangs up on those who are silent."""
    seconds = whole(facts.setting("timeout"))
    if seconds is None:
        return _hidden("timeout", "the server does not tell when it closes idle connections")
    if seconds:
        found = f"it closes connections that were silent for {seconds:,} s: each time a client has to connect anew"
        return Finding(
            "timeout", "warning" if seconds < 60 else "info", found, "set timeout 0 (tcp-keepalive finds the dead)"
        )
    return Finding("timeout", "ok", "it closes no idle connections")


def output_buffer(facts: Facts) -> Finding:
    """Whether the largest answer fits."""
    setting = facts.setting("client-output-buffer-limit")
    words = (setting or "").split()
    if "normal" not in words or len(words) < words.index("normal") + 4:
        return _hidden("output-buffer", "the server does not tell how large an answer may be")
    hard, soft = (whole(word) or 0 for word in words[words.index("normal") + 1 :][:2])
    limit = min((each for each in (hard, soft) if each), default=0)
    if limit and limit < _LARGEST_REPLY:
        found = f"it hangs up on a client whose answer takes more than {_mib(limit)}: large jobs cannot be fetched"
        return Finding("output-buffer", "warning", found, "set client-output-buffer-limit normal 0 0 0")
    return Finding("output-buffer", "ok", "answers may be as large as jobs are")


def _hidden(name: str, found: str) -> Finding:
    return Finding(name, "unknown", found, "ask whoever runs it, or allow INFO and CONFIG GET")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


_CHECKS: Final[tuple[Callable[[Facts], Finding], ...]] = (
    *(version, cluster, replica, eviction, persistence, last_writes, memory, replicas),
    *(clients, idle_timeout, output_buffer),
)
