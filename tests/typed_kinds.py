"""Kinds of arguments for the tests, in a module of their own as an application has them."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, NotRequired, Required, TypedDict
from uuid import UUID

import pydantic

import fastkiq
from fastkiq import _core
from fastkiq.bound import Bound

if TYPE_CHECKING:
    from somewhere import Elsewhere  # type: ignore[import-not-found]

Amount = NewType("Amount", Decimal)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(StrEnum):
    YES = "yes"


class Way(Enum):
    """Its values are no JSON, so names travel."""

    NORTH = (0, 1)
    EAST = (1, 0)


class Rights(Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Line:
    price: Decimal
    count: int = 1
    tags: frozenset[str] = frozenset()


@dataclasses.dataclass
class Order:
    id: UUID
    lines: list[Line]
    at: datetime
    parent: Order | None = None
    colour: Colour | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    length: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        if len(self.lines) > 9:
            raise ValueError("too many lines")
        self.length = len(self.lines)


@dataclasses.dataclass
class Rush(Order):
    hours: int = 1


@dataclasses.dataclass(kw_only=True, slots=True)
class Everything:
    uuid: UUID
    decimal: Decimal
    moment: datetime
    day: date
    clock: time
    length: timedelta
    colour: Colour
    level: Level
    word: Word
    way: Way
    rights: Rights
    amount: Amount
    mode: Literal["a", 1, None]
    maybe: Annotated[UUID | None, "a comment"]
    number_or_day: int | date
    many: list[tuple[UUID, int]]
    row: tuple[date, ...]
    names: set[str]
    ways: frozenset[Way]
    by_name: dict[str, list[Decimal]]
    text: str
    flag: bool
    ratio: float
    nothing: None
    line: Line
    box: Box


class Box(TypedDict):
    size: Required[int]
    made: NotRequired[date]


class Owner(pydantic.BaseModel):
    name: str
    born: date
    pets: list[Pet] = []
    address: str = pydantic.Field(default="", alias="theAddress")

    @pydantic.computed_field
    def shout(self) -> str:
        return self.name.upper()


class Pet(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")
    id: UUID
    kind: Literal["cat", "dog"] = "cat"


class Stick(pydantic.BaseModel):
    kind: Literal["stick"] = "stick"


class Numbers(pydantic.RootModel[list[Decimal]]):
    pass


Toy = Annotated[Pet | Stick, pydantic.Field(discriminator="kind")]


@pydantic.dataclasses.dataclass
class Checked:
    on: date
    owner: Owner


@dataclasses.dataclass
class Mixed:
    owner: Owner | None
    checked: Checked


@dataclasses.dataclass
class Broken:
    where: Elsewhere


ID = UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime(2026, 11, 27, 12, 30, 0, 5, tzinfo=timezone(timedelta(hours=2)))


def worker(*annotations: Any, name: str = "typed.Takes") -> Bound[...]:
    """One whose `perform` has parameters a, b, ... annotated so, and answers them."""

    def perform(self: Any, *args: Any) -> Any:
        return list(args)

    import inspect

    parameters = [
        inspect.Parameter(letter, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
        for letter, annotation in zip("abcdef", annotations, strict=False)
    ]
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    perform.__signature__ = inspect.Signature([own, *parameters])  # type: ignore[attr-defined]
    made: type[fastkiq.Worker] = type("Takes", (fastkiq.Worker,), {"perform": perform}, name=name)
    return made.__fastkiq__.bound


def wire(annotation: Any, value: Any) -> Any:
    """The value as it travels."""
    bound = worker(annotation)
    [stored] = bound.arguments([value], {})
    return _core.decode(_core.encode(stored))
