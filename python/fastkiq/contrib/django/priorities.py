"""Priority by queues: which queue a task of some queue name and priority goes to."""

from collections.abc import Iterable, Sequence
from math import ceil

HIGHEST = 100
"""Of a task's priority; the lowest is as far below 0."""
DEFAULT = ("{queue}:high", "{queue}", "{queue}:low")


class Priorities:
    """Queues from high to low. `{queue}` in a name stands for the task's queue name.

    Priority 0 is the queue of the task's own name. The queues before it share priorities 1 to 100 evenly, those behind
    it -1 to -100. A task whose queue name is not among them has no priorities.
    """

    def __init__(self, names: Sequence[str] = DEFAULT) -> None:
        self.names = tuple(names)

    def around(self, queue: str) -> tuple[list[str], list[str]]:
        """The queues above this one, nearest first, and those below it, nearest first."""
        names = [name.replace("{queue}", queue) for name in self.names]
        if queue not in names:
            return [], []
        middle = names.index(queue)
        return names[:middle][::-1], names[middle + 1 :]

    def known(self, queue: str) -> bool:
        """Whether tasks of this queue name may have a priority."""
        return any(self.around(queue))

    def queue(self, queue: str, priority: int) -> str:
        """Where such a task goes."""
        above, below = self.around(queue)
        side = above if priority > 0 else below
        if not side or priority == 0:
            return queue
        return side[ceil(abs(priority) * len(side) / HIGHEST) - 1]

    def served(self, queues: Iterable[str]) -> list[str]:
        """All queues of these names, in the order in which workers serve them: by priority, then as they are given."""
        ranked: list[tuple[int, str]] = []
        for queue in queues:
            above, below = self.around(queue)
            ranked.append((0, queue))
            ranked += [(-distance, name) for distance, name in enumerate(above, 1)]
            ranked += [(distance, name) for distance, name in enumerate(below, 1)]
        return list(dict.fromkeys(name for _, name in sorted(ranked, key=lambda each: each[0])))
