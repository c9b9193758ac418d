"""Each catalog says exactly what code and templates say, in its language."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fastkiq.web
from fastkiq.web import formats
from fastkiq.web.locale import choose, locales
from fastkiq.web.rendering import TEMPLATES
from fastkiq.web.view import viewing
from web_server import a_view, ask

FOLDER = Path(fastkiq.web.__file__).parent
CATALOGS = sorted(each for each in (FOLDER / "locales").iterdir() if each.is_dir())
MARKERS = {"_": 1, "gettext": 1, "ngettext": 2}
NAMES = re.compile(r"%\((\w+)\)s")
ABOUT = {"@name", "@group", "@decimal", "@plural"}


def texts_of_python() -> Iterator[tuple[str, str | None]]:
    """(text, plural) of each call of a marker, whose arguments must be plain strings."""
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.Call) and name in MARKERS:
                texts = [ast.literal_eval(each) for each in node.args[: MARKERS[name]]]
                yield texts[0], texts[1] if len(texts) > 1 else None


def texts_of_templates() -> Iterator[tuple[str, str | None]]:
    for file in (FOLDER / "templates").rglob("*.html"):
        for _, name, found in TEMPLATES.extract_translations(file.read_text()):  # type: ignore[attr-defined]
            texts = found if isinstance(found, tuple) else (found,)  # None stands for what is given by name
            wanted = texts[: MARKERS[name]]
            assert None not in wanted, f"{file.name}: not a plain text"
            yield wanted[0], wanted[1] if len(wanted) > 1 else None


def used() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for text, plural in [*texts_of_python(), *texts_of_templates()]:
        found[text] = plural or found.get(text)
    return found


def test_at_least_six_languages_and_english() -> None:
    assert {"en", "de", "fr", "es", "pt-BR", "ja", "zh-CN"} <= set(locales())


@pytest.mark.parametrize("folder", CATALOGS, ids=lambda folder: folder.name)
def test_a_catalog_has_exactly_the_texts_that_are_used(folder: Path) -> None:
    def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert sorted(names) == sorted(set(names)), "the same text twice"
        return dict(pairs)

    catalog: dict[str, Any] = {}
    for file in sorted(folder.glob("*.json")):
        texts = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=no_twins)
        for key in set(texts) & set(catalog):
            assert texts[key] == catalog[key], f"{file.name}: {key!r} is said otherwise in another file"
        catalog |= texts
    keys = {key for key in catalog if not key.startswith("@")}
    wanted = used()
    assert keys - set(wanted) == set(), "no longer used"
    assert set(wanted) - keys == set(), "not translated"
    assert {key for key in catalog if key.startswith("@")} >= ABOUT
    forms = 1 if catalog["@plural"] == "one-form" else 2
    for key, plural in wanted.items():
        given = catalog[key] if isinstance(catalog[key], list) else [catalog[key]]
        assert len(given) == (forms if plural else 1), key
        for text, source in zip(given, [key, plural or key][-len(given) :], strict=True):
            assert text
            assert set(NAMES.findall(text)) == set(NAMES.findall(source)), f"{source!r}: other names in {text!r}"
            assert "%" not in NAMES.sub("", text), f"{key!r}: a stray %"
            assert "<" not in text


def test_texts_take_their_values_by_name() -> None:
    for text in used():
        assert "%" not in NAMES.sub("", text), text
        assert "<" not in text, text


@pytest.mark.parametrize(
    ("wanted", "accepted", "code"),
    [
        (None, "", "en"),
        (None, "de", "de"),
        (None, "de-AT,de;q=0.9,en;q=0.8", "de"),
        (None, "xx, fr;q=0.5, de;q=0.7", "de"),
        (None, "pt", "pt-BR"),
        (None, "zh-TW", "zh-CN"),
        (None, "PT-br", "pt-BR"),
        (None, "de;q=0, es", "es"),
        (None, "*", "en"),
        (None, ";;;,,q=", "en"),
        (None, "x" * 100_000, "en"),
        ("fr", "de", "fr"),
        ("FR", "de", "fr"),
        ("../../etc", "de", "de"),
    ],
)
def test_the_language_is_chosen_by_cookie_then_by_header(wanted: str | None, accepted: str, code: str) -> None:
    assert choose(wanted, accepted).code == code


def test_a_page_is_in_that_language(redis_url: str, web: Callable[..., str]) -> None:
    base = web()
    for code in locales():
        page = ask(base + "/", headers={"Accept-Language": code})
        assert f'<html lang="{code}" dir="ltr"' in page.text
        assert locales()[code].gettext("Queues") in page.text
        refused = ask(base + "/nowhere", headers={"Cookie": f"fastkiq_language={code}"})
        assert locales()[code].gettext("Not found") in refused.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"), (0.0004, "0.40 ms"), (0.85, "850 ms"), (12.34, "12.3 s"), (61, "1 min 1 s"), (3600, "1 h"),
        (12_000, "3 h 20 min"), (187_200, "2 d 4 h"), (1e12, "11,574,074 d 1 h"), (-5, "−5.0 s"), (None, "–"),
        (float("nan"), "–"), (float("inf"), "–"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    with viewing(a_view()):
        assert formats.duration(seconds) == text


def test_numbers_are_grouped_as_the_language_does() -> None:
    assert locales()["en"].number(1_234_567) == "1,234,567"
    assert locales()["de"].number(1_234_567.891, 2) == "1.234.567,89"
    assert locales()["fr"].number(1_234.5, 1) == "1\u202f234,5"


def test_sizes_and_moments_that_are_none() -> None:
    with viewing(a_view()):
        assert [formats.size(value) for value in (0, 1023, 1536, 5e15, None)] == [
            "0 B",
            "1,023 B",
            "1.5 KiB",
            "4,547 TiB",
            "–",
        ]
        assert formats.moment(1e300) is None
        assert formats.moment(float("nan")) is None
