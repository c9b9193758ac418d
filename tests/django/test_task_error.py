"""The class of a stored error is looked for among what is loaded, and nothing is loaded or run for it."""

import sys
from types import ModuleType

import pytest


def test_a_module_that_loads_lazily_is_not_asked(depot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastkiq.contrib.django.task_error import LoadedTaskError

    asked: list[str] = []

    class Outer:
        class Refused(ValueError):
            pass

    lazy = ModuleType("lazy")
    vars(lazy).update({"Outer": Outer, "__getattr__": lambda name: asked.append(name) or OSError})
    monkeypatch.setitem(sys.modules, "lazy", lazy)
    assert LoadedTaskError(exception_class_path="lazy.Outer.Refused", traceback="").exception_class is Outer.Refused
    for path in ("lazy.anything", "lazy.Outer.Refused.args.x", "lazy.Outer.nothing", "lazy.__name__.x"):
        with pytest.raises(ValueError, match="does not reference a valid exception"):
            LoadedTaskError(exception_class_path=path, traceback="").exception_class  # noqa: B018
    assert asked == []
