"""Jobs whose arguments are converted: every way to enqueue them, and their runs."""

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from redis import Redis

import fastkiq
from children import Child
from fastkiq import ArgumentError, Config
from servers import wait_until
from typed_kinds import Colour, Line, Order
from typed_kit import ID, NOON, config, wire, worker

__all__ = ["config"]


def first(redis: Redis, name: str) -> bytes:
    """The first member of a sorted set."""
    member = next(iter(redis.zscan_iter(name)))[0]
    assert isinstance(member, bytes)
    return member


def test_every_way_to_enqueue_converts(config: Config, redis: Redis) -> None:
    class Ship(fastkiq.Worker, name="typed.Ship"):
        def perform(self, order: Order, colour: Colour = Colour.RED, *days: date) -> Any:
            return order, colour, days

    @fastkiq.job(name="typed.ship")
    async def ship(order: Order) -> Order:
        return order

    order = Order(ID, [Line(Decimal("1.5"))], NOON)
    stored = wire(Order, order)
    Ship.perform_async(order)
    Ship.perform_async(colour=Colour.BLUE, order=order)
    Ship.perform_in(60, order, Colour.BLUE, date(2026, 1, 1))
    Ship.set(queue="low").perform_at(1.0, order)
    Ship.perform_bulk([(order,), [order, Colour.BLUE]])
    fastkiq.Client().push(Ship, order)
    fastkiq.Client().push("typed.Ship", order)
    ship.perform_async(order)
    queued = [json.loads(each)["args"] for each in redis.lrange("queue:default", 0, -1)][::-1]
    assert queued == [[stored], [stored, "blue"], [stored], [stored, "blue"], [stored], [stored], [stored]]
    assert json.loads(first(redis, "schedule"))["args"] == [stored, "blue", "2026-01-01"]
    assert json.loads(redis.lindex("queue:low", 0) or b"")["args"] == [stored]
    assert Ship.perform_inline(order, Colour.BLUE, date(2026, 1, 1)) == (order, Colour.BLUE, (date(2026, 1, 1),))
    assert ship.perform_inline(order) == order
    with pytest.raises(ArgumentError, match=r"row 1: Ship\.perform\(colour\): colour: a Colour is wanted"):
        Ship.perform_bulk([(order,), (order, "green")])
    with pytest.raises(ArgumentError, match=r"row 0 must be a list or tuple"):
        Ship.perform_bulk([order])  # type: ignore[list-item]


def test_a_worker_gets_the_kinds_and_a_payload_that_does_not_fit_fails_with_its_field(
    worker_process: Callable[..., Child], redis: Redis
) -> None:
    child = worker_process(
        """
        from __future__ import annotations
        import dataclasses, json
        from datetime import datetime
        from decimal import Decimal
        import fastkiq

        class Ship(fastkiq.Worker, retry=0):
            def perform(self, order: Order, count: int = 1) -> None:
                print("SHIP", order, count, flush=True)

        class AShip(Ship):
            async def perform(self, order: Order, count: int = 1) -> None:
                print("ASHIP", order, count, flush=True)

        @dataclasses.dataclass
        class Order:
            price: Decimal
            at: datetime
        """
    )
    order = {"price": "1.50", "at": "2026-11-27T10:30:00Z"}
    push = fastkiq.Client(redis_url=f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}").push
    shown = "Order(price=Decimal('1.50'), at=datetime.datetime(2026, 11, 27, 10, 30, tzinfo=datetime.timezone.utc)) 2"
    push("app.Ship", order, 2)
    child.wait_for(f"SHIP {shown}\n")
    push("app.AShip", order, 2)
    child.wait_for(f"ASHIP {shown}\n")
    push("app.Ship", {**order, "price": "much"}, retry=0)
    text = child.wait_for("now in the dead set")
    assert "Ship.perform(order): order.price: a decimal number is wanted, not 'much'" in text
    wait_until(lambda: redis.zcard("dead"), 5)
    assert json.loads(first(redis, "dead"))["error_class"] == "fastkiq.ArgumentError"
    assert child.stop() == 0


def test_keywords_of_active_job_reach_typed_parameters() -> None:
    from fastkiq import active_job

    class Rails(fastkiq.Worker, name="typed.Rails"):
        def perform(self, order: Line, on: date) -> None: ...

    stored = {"price": "1.5", "_aj_symbol_keys": []}
    keywords = {
        "on": {"_aj_serialized": "ActiveJob::Serializers::DateSerializer", "value": "2026-01-01"},
        "order": stored,
        "_aj_ruby2_keywords": ["on", "order"],
    }
    entry = Rails.__fastkiq__
    assert entry.signature is not None
    args = active_job.arguments(entry, [{"arguments": [keywords]}])
    assert entry.signature.load(args) == [Line(Decimal("1.5")), date(2026, 1, 1)]


def test_an_alias_that_holds_itself_and_other_kinds_stays_plain(config: Config, redis: Redis) -> None:
    takes = worker("Tree")
    takes.perform_async({"plain": {"a": []}})
    with pytest.raises(ArgumentError, match="holds itself, which only a class may"):
        takes.perform_async({"a": [UUID(int=1)]})
