"""Results that a test keeps: what the scripts of `fastkiq.results` do, without Redis."""

from collections.abc import Callable, Iterable, Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any

from fastkiq.guard import Guard

if TYPE_CHECKING:
    from fastkiq.testing.kept import Kept


class Records:
    """The hashes `fastkiq:result:<jid>`, each with the time at which it ends by the clock of the jobs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = Guard(RLock)
        self._held: dict[str, tuple[float, dict[str, bytes]]] = {}

    def begin(self, jobs: Iterable["Kept"]) -> None:
        """As the push of these jobs does it."""
        from fastkiq.results.store import UNFINISHED, is_jid, key_of, seconds_kept

        for kept in jobs:
            payload = kept.job.payload
            seconds = seconds_kept(payload, {})
            if seconds and is_jid(kept.jid):
                facts = {"status": b"queued", "queued_at": _bytes(int(kept.pushed_at * 1000)), "payload": kept.raw}
                ends = (kept.at or kept.pushed_at) + seconds + UNFINISHED
                with self._guard.lock:
                    self._held[key_of(kept.jid)] = (ends, facts)

    def answer(self, words: Sequence[Any], send: Callable[[], Any]) -> Any:
        """What Redis would answer to a command about results; others are sent."""
        match words:
            case ["HMGET", str() as key, *names] if _is_ours(key):
                held = self._read(key)
                return [held.get(str(name)) for name in names]
            case ["HGET", str() as key, name] if _is_ours(key):
                return self._read(key).get(str(name))
            case ["HGETALL", str() as key] if _is_ours(key):
                return _flat(self._read(key))
            case ["EVALSHA", _, 1, str() as key, "run" | "error" as step, *facts] if _is_ours(key):
                return self._run(key, step, facts)
            case ["EVALSHA", _, 1, str() as key, step, run, milliseconds, *pairs] if _is_ours(key):
                fields = {str(name): _bytes(value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
                return self._change(key, str(step), _bytes(run), int(milliseconds), fields)
        return send()

    def clear(self) -> None:
        """Forgets all."""
        with self._guard.lock:
            self._held.clear()

    def _read(self, key: str) -> dict[str, bytes]:
        with self._guard.lock:
            ends, held = self._held.get(key, (0.0, {}))
            return held if ends > self._clock() else {}

    def _change(self, key: str, step: str, run: bytes, milliseconds: int, fields: dict[str, bytes]) -> int:
        """`change.lua`, which says what the steps mean."""
        with self._guard.lock:
            held = dict(self._read(key))
            current = held.get("run")
            is_own = current is None or not run or current == run
            if step == "progress":
                if not is_own or (current is not None and held.get("status") != b"running"):
                    return -1
            else:
                if step == "end" and not is_own:
                    return -1
                for name in _ENDED.get(step, ("value",)):
                    held.pop(name, None)
                if step == "start" or (run and current != run):
                    held["attempts"] = _bytes(int(held.get("attempts", b"0")) + 1)
                held["run"] = run
            held |= fields
            self._held[key] = (self._clock() + milliseconds / 1000, held)
            return int("payload" in held)

    def _run(self, key: str, step: str, facts: Sequence[Any]) -> list[bytes]:
        """`run.lua` of fastkiq.contrib.django, which says what the facts are."""
        with self._guard.lock:
            held = dict(self._read(key))
            if not held:
                return []
            if step == "run":
                worker, now = facts
                number = int(held.get("django:runs", b"0")) + 1
                held |= {"django:runs": _bytes(number), f"django:worker:{number}": _bytes(worker)}
                held.setdefault("django:started_at", _bytes(now))
            else:
                number, told, most = facts
                held.pop(f"django:error:{number - most}", None)
                held[f"django:error:{number}"] = _bytes(told)
            self._held[key] = (self._held[key][0], held)
            return _flat(held)


_ENDED = {"start": ("value", "finished_at", "progress"), "done": ("value", "error")}


def _is_ours(key: str) -> bool:
    return key.startswith("fastkiq:result:")


def _flat(held: dict[str, bytes]) -> list[bytes]:
    return [word for name, value in held.items() for word in (name.encode(), value)]


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
