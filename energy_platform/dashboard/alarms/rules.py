"""A user's rule: which value of which topic, and beyond which threshold it is an alarm."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from energy_platform.dashboard.areas import AREAS, PRODUCTS
from energy_platform.dashboard.contracts import TABLE
from energy_platform.dashboard.frames import Row
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_source

_CONTRACT_NUMBERS: Final = tuple(name for name, dtype in TABLE.items() if dtype.is_numeric())
_CONTRACT_NAMES: Final = ("contract_id", "name", "delivery_start", "delivery_end", "state")

_Text = Annotated[str, StringConstraints(max_length=200)]
_Wanted = _Text | bool | float
_Where = Annotated[dict[_Text, _Wanted | Annotated[list[_Wanted], Field(max_length=50)]],
                   Field(max_length=10)]  # fmt: skip
_Number = Annotated[float, Field(allow_inf_nan=False)]


class Kind(StrEnum):
    """What a rule is about, as a trader calls it."""

    PRICE = "price"
    FREQUENCY = "frequency"
    SPREAD = "spread"
    IMBALANCE = "imbalance"
    OUTAGE = "outage"


class Rule(BaseModel):
    """One rule of one user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{0,32}$")] = Field(
        default="", description="The server names a rule; with a name, the rule is replaced."
    )
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    kind: Kind
    topic: _Text = Field(description="`source:<name>` or `contracts:<area>:<product>`.")
    column: _Text = Field(description="The column whose value counts.")
    where: _Where = Field(
        default={}, description="Only rows with these values; each row is watched for itself."
    )
    minus: _Where | None = Field(
        default=None, description="Of a spread: the row whose value is subtracted."
    )
    above: _Number | None = Field(default=None, description="Or `below`, one of the two.")
    below: _Number | None = None
    for_seconds: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=0, description="For how long the value must be beyond, and back again."
    )
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=0, description="How far back the value must be before the alarm is cleared."
    )
    sound: bool = True
    channels: bool = Field(default=False, description="Whether the alert channels are told.")

    @field_validator("name")
    @classmethod
    def _is_one_line(cls, name: str) -> str:
        return (
            " ".join("".join(one if one.isprintable() else " " for one in name).split()) or "rule"
        )

    @model_validator(mode="after")
    def _has_one_threshold(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("say either above or below")
        return self

    def require_known(self) -> None:
        """Refuse a rule on a topic or a column that does not exist.

        Raises:
            UnknownSourceError: There is no such source.
            UsageError: There is no such topic or column.
        """
        values, names = _columns_of(self.topic)
        if self.column not in values:
            raise UsageError(f"column: {self.topic} has no number {self.column!r}; "
                             f"it has {', '.join(values)}")  # fmt: skip
        for where in (self.where, self.minus or {}):
            if unknown := sorted(set(where) - set(names)):
                raise UsageError(f"where: {self.topic} has no {', '.join(unknown)}; "
                                 f"it has {', '.join(names)}")  # fmt: skip

    def is_beyond(self, value: float) -> bool:
        """Return whether a value is beyond the threshold."""
        return value > self.above if self.above is not None else value < self._lower

    def is_back(self, value: float) -> bool:
        """Return whether a value is back by the margin."""
        if self.above is not None:
            return value <= self.above - self.margin
        return value >= self._lower + self.margin

    @property
    def _lower(self) -> float:
        return -math.inf if self.below is None else self.below

    def text(self, row: str, value: float) -> str:
        """Return what is said of a value beyond the threshold, in one line."""
        than = f"above {self.above:g}" if self.above is not None else f"below {self._lower:g}"
        less = " spread" if self.minus is not None else ""
        return " ".join(f"{self.name}: {self.column}{less} {value:g}, {than} ({row})".split())


def meets(row: Row, where: Mapping[str, object]) -> bool:
    """Return whether a row has the wanted values.

    >>> meets({"zone": "FR", "mw": 5}, {"zone": ["DE-LU", "FR"]})
    True
    >>> meets({"zone": "FR"}, {"zone": "GB"})
    False
    """
    return all(
        _said(row.get(column))
        in {_said(one) for one in (wanted if isinstance(wanted, list) else [wanted])}
        for column, wanted in where.items()
    )


def _said(value: object) -> object:
    """Return a value as rules state it: an instant is a text."""
    if not isinstance(value, datetime):
        return value
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _columns_of(topic: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the numbers of a topic's rows, and the columns that tell them apart."""
    match topic.split(":"):
        case ["source", name]:
            source = market_source(name)
            numbers = tuple(one for one in source.fields if source.dtypes[one].is_numeric())
            return numbers, (*source.tags, source.event_time, *source.fields)
        case ["contracts", area, product] if area in AREAS and product in PRODUCTS:
            return _CONTRACT_NUMBERS, _CONTRACT_NAMES
        case _:
            raise UsageError(f"topic: no alarm can be set on {topic!r}; name source:<name> or "
                             "contracts:<area>:<product>")  # fmt: skip
