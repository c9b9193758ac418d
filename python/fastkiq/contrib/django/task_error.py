"""Django's TaskError, whose class is looked for among what is loaded."""

import sys
from dataclasses import dataclass
from inspect import isclass
from types import ModuleType
from typing import Any

from fastkiq.contrib.django.compat import TaskError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTaskError(TaskError):
    """Django's own imports the module that its path names. This path comes from Redis: nothing is imported for it."""

    @property
    def exception_class(self) -> type[BaseException]:
        """Raises ImportError when its module is not loaded, ValueError when it is no exception."""
        found = _loaded(self.exception_class_path)
        if not isclass(found) or not issubclass(found, BaseException):
            raise ValueError(f"{self.exception_class_path!r} does not reference a valid exception.")
        return found


def _loaded(path: str) -> Any:
    names = path.split(".")
    for length in range(len(names) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(names[:length]))
        if found is not None:
            for name in names[length:]:
                # Not getattr: a module's own may import what has not been asked for yet.
                found = vars(found).get(name) if isinstance(found, (ModuleType, type)) else None
            return found
    raise ImportError(f"nothing that is loaded here defines {path!r:.200}")
