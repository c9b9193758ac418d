"""Kinds of arguments for the tests, in a module of their own as an application has them."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, NotRequired, Required, TypedDict
from uuid import UUID

import pydantic

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
