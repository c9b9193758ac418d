"""The names by which payloads find workers."""

from types import SimpleNamespace
from typing import Any

import pytest

import fastkiq
from fastkiq import DefinitionError, registry
from worker_kit import names

__all__ = ["names"]


def test_two_classes_with_one_wire_name_are_refused() -> None:
    class First(fastkiq.Worker, name="shared", aliases=("older",)):
        def perform(self) -> None: ...

    for keywords in ({"name": "shared"}, {"aliases": ("shared",)}, {"name": "older"}):
        with pytest.raises(DefinitionError, match=r"Second and .*First both go by the wire name"):
            type(fastkiq.Worker)("Second", (fastkiq.Worker,), {"perform": lambda self: None}, **keywords)
    assert registry.find("shared") is First.__fastkiq__


def test_a_class_defined_anew_takes_the_place_of_the_old_one() -> None:
    def define(name: str) -> type[fastkiq.Worker]:
        class Reloaded(fastkiq.Worker, name=name):
            __qualname__ = "Reloaded"  # as at the top of a module

            def perform(self) -> None: ...

        return Reloaded

    define("before")
    second = define("after")
    assert [entry.worker for entry in registry.entries()] == [second]
    assert registry.find("before") is None


def test_workers_made_by_a_function_live_side_by_side() -> None:
    def make(name: str) -> type[fastkiq.Worker]:
        class Made(fastkiq.Worker, name=name):
            def perform(self) -> None: ...

        return Made

    first, second = make("first"), make("second")
    assert (registry.find("first"), registry.find("second")) == (first.__fastkiq__, second.__fastkiq__)
    named = fastkiq.job(name="one")(lambda: None), fastkiq.job(name="two")(lambda: None)
    assert [registry.find(each.name).worker for each in named] == [each.worker for each in named]  # type: ignore[union-attr]
    with pytest.raises(DefinitionError, match="a lambda has no name"):
        fastkiq.job(lambda: None)


def test_the_table_has_names_aliases_and_unique_class_names() -> None:
    def define(outer: str, **keywords: Any) -> type[fastkiq.Worker]:
        body = {"perform": lambda self: None, "__module__": outer}
        made: type[fastkiq.Worker] = type(fastkiq.Worker)("Mailer", (fastkiq.Worker,), body, **keywords)
        return made

    first = define("shop", aliases=("old.Mailer",))
    assert set(registry.table()) == {"shop.Mailer", "old.Mailer", "Mailer"}
    define("blog")
    assert set(registry.table()) == {"shop.Mailer", "old.Mailer", "blog.Mailer"}
    claims = define("other", name="Mailer")
    table = registry.table()
    assert table["Mailer"][0].worker is claims
    assert table["old.Mailer"][0].worker is first


def test_what_is_said_of_a_class_nobody_goes_by() -> None:
    def define(outer: str) -> None:
        type(fastkiq.Worker)("Mailer", (fastkiq.Worker,), {"perform": lambda self: None, "__module__": outer})

    assert 'name="Mails::Mailer" or aliases=("Mails::Mailer",)' in registry.unknown("Mails::Mailer")
    assert registry.unknown("Mails::Mailer").startswith("no loaded module defines Mails::Mailer")
    assert "run `fastkiq process app.mails`" in registry.unknown("app.mails.Mailer")
    assert "`fastkiq process a-b`" not in registry.unknown("a-b.Mailer")
    assert "json is loaded but does not define it" in registry.unknown("json.Mailer")
    define("shop")
    one = registry.unknown("Mails::Mailer")
    assert one == 'no worker goes by Mails::Mailer: if shop.Mailer is to run it, give that class name="Mails::Mailer"'
    define("blog")
    assert registry.unknown("Mailer") == (
        'several workers may be meant by Mailer (blog.Mailer, shop.Mailer): give one of them name="Mailer"'
    )


def test_a_class_in_main_or_a_loaded_file_takes_the_stem(monkeypatch: pytest.MonkeyPatch) -> None:
    main = SimpleNamespace(__file__="/srv/app/jobs.py", __spec__=None)
    monkeypatch.setitem(registry.sys.modules, "__main__", main)  # type: ignore[attr-defined]
    assert registry.wire_module("__main__") == "jobs"
    main.__spec__ = SimpleNamespace(name="app.jobs")
    assert registry.wire_module("__main__") == "app.jobs"
    main.__spec__ = main.__file__ = None
    assert registry.wire_module("__main__") == "__main__"
