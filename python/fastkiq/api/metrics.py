"""Runs by class, as workers of fastkiq and Sidekiq count them: by the minute for 8 hours, by ten minutes for 72.

Keys and buckets are those of Sidekiq 8 (`lib/sidekiq/metrics`); `compat="sidekiq7"` reads those of Sidekiq 7.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fastkiq import config as configuration
from fastkiq.api.connection import Redis, connect
from fastkiq.api.scripts import run
from fastkiq.api.values import groups, number, text
from fastkiq.config import Config
from fastkiq.errors import ArgumentError
from fastkiq.printable import printable

PERIODS: Final = {"1h": 60, "2h": 120, "4h": 240, "8h": 480, "24h": 1_440, "48h": 2_880, "72h": 4_320}
"""Minutes by name."""
BOUNDS: Final = (
    *(20, 30, 45, 65, 100, 150, 225, 335, 500, 750, 1_100, 1_700, 2_500, 3_800, 5_750, 8_500, 13_000, 20_000),
    *(30_000, 45_000, 65_000, 100_000, 150_000, 225_000, 335_000),
)
"""Milliseconds below which a run falls into a bucket of the histogram; a 26th bucket has the slower ones."""
_FINE: Final = 120
"""Minutes up to which a period is told minute by minute."""
_MOST_FIELDS: Final = 3_000  # of one minute: a thousand classes
_TOGETHER: Final = 48  # buckets of one script: of 50 classes some 2 ms
_COUNTS: Final = ("p", "f", "ms")


@dataclass(slots=True)
class Series:
    """The runs of one class over a period."""

    class_name: str
    processed: int = 0
    """Runs that ended, those that failed among them."""
    failed: int = 0
    milliseconds: int = 0
    """All that went well together."""
    by_time: dict[datetime, tuple[int, int, int]] = field(default_factory=dict)
    """Start of a minute or of ten -> (processed, failed, milliseconds); only those in which something ran."""

    @property
    def succeeded(self) -> int:
        """Runs that went well."""
        return max(0, self.processed - self.failed)

    @property
    def average(self) -> float:
        """Seconds of a run that went well; 0 when none did."""
        return self.milliseconds / self.succeeded / 1_000 if self.succeeded else 0.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """What was counted in a period."""

    start: datetime
    end: datetime
    step: timedelta
    """A minute, or ten."""
    classes: list[Series]
    """Those that took most time first."""
    marks: dict[datetime, str]
    """Deploys in the period: minute -> label."""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class in a period of up to 8 hours, minute by minute."""

    start: datetime
    end: datetime
    series: Series
    histograms: dict[datetime, list[int]]
    """Minute -> runs in each of the 26 buckets; only those in which something ran."""
    marks: dict[datetime, str]

    @property
    def histogram(self) -> list[int]:
        """Runs of the whole period in each of the 26 buckets."""
        return [sum(column) for column in zip(*self.histograms.values(), strict=True)] or [0] * (len(BOUNDS) + 1)


class MetricsQuery:
    """`redis` is a client of `connect()`."""

    def __init__(self, redis: Redis | None = None, *, config: Config | None = None) -> None:
        self.redis = redis if redis is not None else connect(config)
        self._is_old = (config or configuration.default()).compat == "sidekiq7"

    def top(self, period: str = "1h", wanted: str = "", now: datetime | None = None) -> Metrics:
        """All classes whose name holds `wanted`. Raises ArgumentError for a period that is none."""
        minutes = _minutes(period, PERIODS)
        is_fine = minutes <= _FINE or self._is_old
        step = timedelta(minutes=1 if is_fine else 10)
        times = _times(now, minutes, step)
        keys = [self._minute_key(each) if is_fine else _ten_minutes_key(each) for each in times]
        counted = _Counted(wanted)
        notes: list[str] = []
        for some in groups(zip(times, keys, strict=True), _TOGETHER):
            texts = run(self.redis, "counts", [key for _, key in some], [_MOST_FIELDS])
            for (at, _), told in zip(some, texts, strict=True):
                size, *words = text(told).split("\n")
                if told is not None and len(words) == 2 * number(size):
                    counted.add(at, words)
                else:
                    notes.append(
                        f"{at:%H:%M} has too many classes, or one whose name has several lines: it is left out"
                    )
        classes = sorted(
            counted.classes().values(), key=lambda series: (-series.milliseconds, -series.processed, series.class_name)
        )
        return Metrics(times[0], times[-1] + step, step, classes, self.marks(times[0], times[-1] + step), notes)

    def of(self, class_name: str, period: str = "1h", now: datetime | None = None) -> ClassMetrics:
        """One class; `period` up to `8h`. Raises ArgumentError."""
        minutes = _minutes(period, {name: each for name, each in PERIODS.items() if each <= 480})
        times = _times(now, minutes, timedelta(minutes=1))
        counted = _Counted(class_name)
        histograms: dict[datetime, list[int]] = {}
        names = [f"{class_name}|{what}" for what in _COUNTS]
        for some in groups(times, 120):
            keys = [key for at in some for key in (self._minute_key(at), self._histogram_key(class_name, at))]
            flat = run(self.redis, "runs", keys, [2 * (len(BOUNDS) + 1), *names])
            for index, at in enumerate(some):
                *counts, packed = flat[4 * index : 4 * index + 4]
                counted.add(at, [each for pair in zip(names, map(text, counts), strict=True) for each in pair])
                if packed is not None:
                    histograms[at] = _unpacked(packed)
        end = times[-1] + timedelta(minutes=1)
        series = counted.classes().get(class_name) or Series(class_name)
        return ClassMetrics(times[0], end, series, histograms, self.marks(times[0], end))

    def marks(self, start: datetime, end: datetime) -> dict[datetime, str]:
        """Deploys between two times: minute -> label."""
        found: dict[datetime, str] = {}
        days = (end.date() - start.date()).days
        for key in (f"{start.date() + timedelta(days=day):%Y%m%d}-marks" for day in range(days + 1)):
            if self.redis.type(key) != b"hash":
                continue
            for stamp, label in self.redis.hscan_iter(key, count=1_000):
                at = _stamp(text(stamp))
                if at is not None and start <= at < end:
                    found[at] = printable(text(label), 255)
                if len(found) >= 1_000:
                    break
        return dict(sorted(found.items()))

    def _minute_key(self, at: datetime) -> str:
        return f"j|{at:%Y%m%d}|{at.hour}:{at.minute}" if self._is_old else f"j|{at:%y%m%d}|{at.hour}:{at:%M}"

    def _histogram_key(self, class_name: str, at: datetime) -> str:
        if self._is_old:
            return f"{class_name}-{at:%d}-{at:%H}:{at.minute}"
        return f"h|{class_name}-{at.day}-{at.hour}:{at.minute}"


def label(bucket: int) -> str:
    """What a bucket of the histogram is called: the time below which its runs took."""
    if bucket >= len(BOUNDS):
        return f"≥ {BOUNDS[-1] // 1_000} s"
    return f"{BOUNDS[bucket]} ms" if BOUNDS[bucket] < 1_000 else f"{BOUNDS[bucket] / 1_000:g} s"


def _minutes(period: str, periods: dict[str, int]) -> int:
    if period not in periods:
        raise ArgumentError(f"there is no period {period!r:.40}; there are {', '.join(periods)}")
    return periods[period]


def _times(now: datetime | None, minutes: int, step: timedelta) -> list[datetime]:
    """The starts of the steps, the earliest first; the last one is the one that goes on."""
    end = (now or datetime.now(UTC)).astimezone(UTC)
    size = step // timedelta(minutes=1)
    last = end.replace(minute=end.minute - end.minute % size, second=0, microsecond=0)
    return [last - step * back for back in range(minutes // size - 1, -1, -1)]


def _ten_minutes_key(at: datetime) -> str:
    return f"j|{at:%y%m%d}|{at.hour}:{at.minute // 10}"


class _Counted:
    """Buckets, each a row with a place for each field that was met so far: of a class three in turn."""

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        self._starts: dict[str, int] = {}
        """Class -> its first place."""
        self._none: dict[str, int] = {}
        self._rows: list[tuple[datetime, list[int]]] = []

    def add(self, at: datetime, told: Sequence[str]) -> None:
        """Counts a bucket in: field, value, field, value."""
        names, values = told[::2], told[1::2]
        for name in names:
            if name not in self._none:
                self._place(name)
        # All at once, without a line of Python for each of 65,000 numbers.
        row = dict(self._none)
        try:
            row.update(zip(names, map(int, values), strict=False))
        except ValueError:
            row.update(zip(names, map(number, values), strict=False))
        if max(row.values(), default=0) >= 10**18:
            row.update(zip(names, map(number, values), strict=False))
        self._rows.append((at, list(row.values())))

    def classes(self) -> dict[str, Series]:
        """By name."""
        found: dict[str, Series] = {}
        for name, start in self._starts.items():
            series = found[name] = Series(name)
            for at, row in self._rows:
                if len(row) > start and any(counts := row[start : start + 3]):
                    processed, failed, milliseconds = counts
                    series.processed += processed
                    series.failed += failed
                    series.milliseconds += milliseconds
                    series.by_time[at] = (processed, failed, milliseconds)
        return found

    def _place(self, name: str) -> None:
        class_name, _, what = name.rpartition("|")
        if class_name and what in _COUNTS and self._wanted in class_name and len(class_name) < 1_024:
            self._starts[class_name] = len(self._none)
            self._none |= {f"{class_name}|{each}": 0 for each in _COUNTS}
        else:
            self._none[name] = 0


def _unpacked(packed: bytes) -> list[int]:
    """26 counters of 16 bits, the first byte the higher one; what was never raised is not there."""
    whole = packed[: 2 * (len(BOUNDS) + 1)].ljust(2 * (len(BOUNDS) + 1), b"\0")
    return [int.from_bytes(whole[at : at + 2], "big") for at in range(0, len(whole), 2)]


def _stamp(text: str) -> datetime | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def total(classes: Iterable[Series]) -> Series:
    """All classes as one."""
    whole = Series("")
    for series in classes:
        whole.processed += series.processed
        whole.failed += series.failed
        whole.milliseconds += series.milliseconds
        for at, counts in series.by_time.items():
            before = whole.by_time.get(at, (0, 0, 0))
            whole.by_time[at] = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
    return whole
