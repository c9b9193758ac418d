"""Jobs whose arguments are converted by annotation: they run with the values, and tests may name either form."""

import uuid
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

import pytest

import fastkiq
from fastkiq.testing import ANY, Jobs, subset
from testing_workers import ran


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Item:
    name: str
    price: Decimal
    size: Size = Size.SMALL


ORDER = uuid.UUID(int=7)


@fastkiq.job(name="testing.ship")
def ship(order: uuid.UUID, items: list[Item], day: date = date(2030, 1, 1)) -> None:
    ran.append((order, items, day))


def test_values_arrive_and_either_form_is_found(jobs: Jobs) -> None:
    item = Item("pen", Decimal("1.50"))
    ship.perform_async(ORDER, [item])
    assert jobs[0].args[0] == str(ORDER)
    wire = {"name": "pen", "price": "1.50", "size": "s"}
    jobs.assert_enqueued(ship, args=[ORDER, [item]])
    jobs.assert_enqueued(ship, args=[str(ORDER), [wire]])
    jobs.assert_enqueued(ship, args=[ANY, [subset(name="pen")]])
    jobs.assert_enqueued(ship, args=[uuid.UUID, lambda items: items[0].price > 1])
    jobs.assert_enqueued(ship, kwargs={"order": ORDER, "day": date(2030, 1, 1)})
    jobs.assert_not_enqueued(ship, args=[uuid.UUID(int=8), ...])
    with pytest.raises(AssertionError) as caught:
        jobs.assert_enqueued(ship, args=[uuid.UUID(int=8), [Item("pen", Decimal(2))]])
    assert f"args[0] (order): {ORDER!r}, wanted {uuid.UUID(int=8)!r}" in str(caught.value)
    assert "args[1] (items)" in str(caught.value)
    jobs.drain_all()
    assert ran == [(ORDER, [item], date(2030, 1, 1))]


def test_what_cannot_be_converted_fails_at_the_push_and_in_the_run(jobs: Jobs) -> None:
    with pytest.raises(fastkiq.ArgumentError, match="order"):
        ship.perform_async("no id", [])  # type: ignore[arg-type]
    fastkiq.Client().push("testing.renamed", "no id", [])

    @fastkiq.job(name="testing.renamed")
    def renamed(order: uuid.UUID, items: list[Item]) -> None: ...

    assert "args[0] (order): 'no id'" in _said(jobs)
    with pytest.raises(fastkiq.ArgumentError, match="order"):
        jobs.drain_all()


def _said(jobs: Jobs) -> str:
    with pytest.raises(AssertionError) as caught:
        jobs.assert_enqueued("testing.renamed", args=[ORDER, []])
    return str(caught.value)
