"""Numbers, tables, charts, filters, the reader and its tasks."""

import threading
from datetime import UTC, datetime

import pytest
from rich.cells import cell_len

from fastkiq.api import Filter, Page, Redis
from fastkiq.tui import chart, forms
from fastkiq.tui.filters import parsed
from fastkiq.tui.listing import Listing
from fastkiq.tui.paragraphs import framed, paragraphs
from fastkiq.tui.reader import Answer, Reader, Task
from fastkiq.tui.table import Column, cut, fitted, widths


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0.0 s"), (0.44, "0.4 s"), (119, "119 s"), (121, "2.0 min"), (7_300, "2.0 h"), (1e6, "12 d")],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert forms.span(seconds) == text


def test_figures_are_never_too_wide() -> None:
    assert forms.figure(12_345_678) == "12,345,678"
    assert forms.figure(123_456_789) == "123.5 M"
    assert forms.figure(-5) == "-5"
    assert all(len(forms.figure(9 * 10**power)) <= 10 for power in range(15))


def test_times_that_are_none() -> None:
    assert forms.away(float("inf")) == "?"
    assert forms.away(float("nan")) == "?"
    assert forms.away(1e300) == "?"
    assert forms.moment(None) == ""
    assert forms.moment(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)).startswith(("9999", "1"))


def test_sizes_and_durations() -> None:
    assert [forms.size(count) for count in (0, 812, 2_048, 5 * 2**30, 2**50)] == [
        *("0 B", "812 B", "2.0 KiB", "5.0 GiB", "1,024 TiB"),
    ]
    assert [forms.short(each) for each in (0, 0.00034, 0.0124, 3.1, 600)] == [
        "",
        "340 us",
        "12.4 ms",
        "3.1 s",
        "10 min",
    ]


def test_wide_characters_count_as_two_cells() -> None:
    assert cell_len(fitted("漢字漢字", 5)) == 5
    assert cell_len(cut("漢字漢字", 4)) <= 4
    assert fitted("a", 3, right=True) == "  a"


def test_columns_that_matter_less_give_way() -> None:
    columns = [Column("Class"), Column("Jid", rank=2), Column("Queue", rank=1), Column("Error", free=True)]
    rows = [["app.HardWorker", "0" * 24, "default", "x" * 100]]
    wide, narrow = widths(columns, rows, 100), widths(columns, rows, 50)
    assert wide == [14, 24, 7, 49]
    assert narrow == [14, 0, 7, 25]
    assert widths(columns, [["a", "", "", ""]], 100)[1:3] == [0, 0], "what is empty"
    assert all(size >= 0 for size in widths(columns, rows, 3))


def test_charts() -> None:
    assert chart.columns([0, 4, 8], 4, 2) == ["   █", "  ██"]
    assert chart.columns([], 3, 1) == ["   "]
    assert chart.columns([1, 100_000], 2, 1) == ["▁█"], "what is more than nothing shows"
    assert chart.spark([1, 1, 2, 2], 2) == "▄█"
    assert chart.spark([], 5) == chart.spark([1], 0) == ""
    assert chart.bar(3, 6, 4) == "██"
    assert chart.bar(0, 0, 4) == ""


def test_filters_as_they_are_typed() -> None:
    assert parsed('class:Mail error:"timed out" bob ann') == Filter(
        class_name="Mail", error="timed out", text="bob ann"
    )
    assert parsed("arg:42 tag:x jid:abc queue:mail") == Filter(argument="42", tag="x", jid="abc", queue="mail")
    assert parsed("a:b http://x") == Filter(text="a:b http://x")
    assert parsed('"two words') == Filter(text='"two words')
    assert not parsed("  ")


def test_long_texts() -> None:
    lines = [line.plain for line in paragraphs("ab\n    " + "x" * 30 + "\x1b", 20)]
    assert lines == ["ab", "    " + "x" * 10, "      " + "x" * 14, "      xxxxxx\\x1b"]
    frames = [line.plain for line in framed(["/a/b.py:3:in `f'", "no frame", "C:\\x.py:4:in g"], 40)]
    assert frames == ["f", "    /a/b.py:3", "no frame", "g", "    C:\\x.py:4"]


def test_a_listing_turns_pages_and_keeps_its_row() -> None:
    listing: Listing[int] = Listing([Column("N")], lambda item: [f"{item}"], lambda item: item, "nothing")
    assert [line.plain for line in listing.lines(20, 5)] == ["  …"]
    listing.take(Page([1, 2, 3], 6, 3, "next"))
    listing.move(2)
    assert (listing.current, listing.position(False)) == (3, "1-3 of 6")
    listing.take(Page([2, 3, 9], 6, 3, "next"))
    assert listing.current == 3
    assert listing.turn(1)
    assert not listing.turn(1), "the page is still to come"
    assert listing.cursor == "next"
    listing.take(Page([4, 5, 6], 6, 3, None))
    assert (listing.current, listing.position(False)) == (4, "4-6 of 6")
    assert not listing.take(Page([], 3, 0, None)), "it has become empty: the one before"
    assert listing.cursor is None
    long: Listing[int] = Listing([Column("N")], lambda item: [f"{item}"], lambda item: item, "nothing")
    long.take(Page(range(50), 50, 50, None))
    long.move(40)
    assert [line.plain.strip() for line in long.lines(20, 4)][1:] == ["38", "39", ">  40"]


class Question:
    def __init__(self, name: str, gate: threading.Event | None = None) -> None:
        self.name, self.gate = name, gate

    def read(self, redis: Redis) -> str:
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.name == "wrong":
            raise ValueError("so it is")
        return self.name


def test_of_what_is_asked_meanwhile_only_the_last_is_read() -> None:
    answers: list[Answer] = []
    last, gate = threading.Event(), threading.Event()

    def deliver(answer: Answer) -> None:
        answers.append(answer)
        if answer.value == "c":
            last.set()

    reader = Reader(lambda: None, deliver)  # type: ignore[arg-type, return-value]
    reader.ask(Question("slow", gate))
    while not reader.waits:
        pass
    for name in ("a", "b", "c"):
        reader.ask(Question(name))
    assert reader.is_busy
    gate.set()
    assert last.wait(10)
    assert [answer.value for answer in answers] == ["slow", "c"]
    wrong = threading.Event()
    reader._deliver = lambda answer: wrong.set() if isinstance(answer.error, ValueError) else None
    reader.ask(Question("wrong"))
    assert wrong.wait(10)
    reader.stop()


def test_a_task_tells_how_far_it_is_and_what_went_wrong() -> None:
    begun = threading.Event()

    def work(task: Task) -> str:
        begun.set()
        while not task.is_cancelled:
            task.progress = "half"
        return "stopped"

    task = Task(work).start()
    assert begun.wait(10)
    task.cancel()
    assert task.is_over.wait(10)
    assert (task.result, task.error) == ("stopped", None)

    def fails(task: Task) -> str:
        raise ValueError("no")

    failing = Task(fails).start()
    assert failing.is_over.wait(10)
    assert isinstance(failing.error, ValueError)
