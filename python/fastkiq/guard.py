"""Locks that survive a fork: free in the child, though a thread of the parent held them that does not exist there."""

import os
from collections.abc import Callable
from threading import Lock
from typing import Any
from weakref import WeakSet


class Guard:
    """Take it by `with guard.lock:`, which holds on to the lock it began with should the process fork meanwhile."""

    def __init__(self, kind: Callable[[], Any] = Lock) -> None:
        self._kind = kind
        self.lock = kind()
        _all.add(self)

    def renew(self) -> None:
        """Only in a child that has just been forked: it has one thread."""
        self.lock = self._kind()


_all: WeakSet[Guard] = WeakSet()


def _after_fork() -> None:
    for guard in list(_all):
        guard.renew()


os.register_at_fork(after_in_child=_after_fork)
