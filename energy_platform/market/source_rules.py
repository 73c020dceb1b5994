"""The rules for a source's definition, one function each, and the message for each violation.

Pure: a definition in, faults out. `MarketSource` applies the rules when it is created, so that a
wrong one fails in its own file. Test cases check what a parser makes of bytes.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, fields, is_dataclass
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar, Final, Protocol, get_type_hints

import pandera.errors
import pandera.polars as pa
import polars as pl
from pydantic import ConfigDict, InstanceOf, TypeAdapter, ValidationError

from energy_platform.market.feed import Feed, NamesContext
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider
from energy_platform.market.publication import AfterRun, Knowable, Stated, Where
from energy_platform.market.quantity import Quantity
from energy_platform.market.rows import MarketRows
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.market.units import UNITS, unit_of
from energy_platform.market.whole_list import WholeList

COLUMN_TYPES: Final = (pl.String(), pl.Int64(), pl.Float64(), pl.Boolean(), INSTANT)
"""The column types that every store can keep as they are."""

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_TYPES: Final = ConfigDict(arbitrary_types_allowed=True, strict=True)
_TEXTS: Final = ("description", "terms", "owner")
_RUN: Final = "run_at"


class Definition(Protocol):
    """The fields of a source that the rules read."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def name(self) -> str:
        """The table's name."""

    @property
    def provider(self) -> Provider:
        """Who publishes it."""

    @property
    def feed(self) -> Feed:
        """How its bytes arrive."""

    @property
    def rows(self) -> type[MarketRows]:
        """The model of its table."""

    @property
    def schema(self) -> pa.DataFrameSchema:
        """The pandera schema of its table."""

    @property
    def dtypes(self) -> Mapping[str, pl.DataType]:
        """The table's columns and their types."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell one fact from another."""

    @property
    def event_time(self) -> str:
        """The column that says when the fact holds."""

    @property
    def expected_lag(self) -> timedelta:
        """How old its newest data may be."""

    @property
    def revision(self) -> str | None:
        """The column in which the provider numbers revisions."""

    @property
    def knowable(self) -> tuple[Knowable, ...] | None:
        """From when on a row could be known by its provider."""

    @property
    def whole_run(self) -> int | None:
        """How many values a complete run has."""

    @property
    def whole_list(self) -> WholeList | None:
        """What makes a message a whole list."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The columns that name a series in the hot store."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that the hot store holds as values."""

    @property
    def layouts_by(self) -> tuple[str, ...]:
        """Names of the context that tell the source's several layouts apart."""

    @property
    def vocabularies(self) -> Mapping[str, Collection[str]]:
        """The texts that columns are known to take."""

    @property
    def quantities(self) -> Mapping[str, Quantity]:
        """The kinds of quantity of columns whose names leave them open."""

    @property
    def kinds(self) -> Mapping[str, Quantity]:
        """The kind of quantity of each column that has one."""

    @property
    def entitlement(self) -> str | None:
        """The column that says whose row it is."""

    @property
    def required_environment(self) -> tuple[str, ...]:
        """Environment variables without which the live feed cannot run."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a definition.

    Attributes:
        field: The field of the source.
        mend: What is wrong with it, and what to write instead.
    """

    field: str
    mend: str

    def __str__(self) -> str:
        return f"{self.field}: {self.mend}"


Rule = Callable[[Definition], Iterator[Fault]]


def faults(source: Definition) -> list[Fault]:
    """Return the faults of the first step of rules that a source violates."""
    for rules in _RULES:
        if found := [fault for rule in rules for fault in rule(source)]:
            return found
    return []


def _types(source: Definition) -> Iterator[Fault]:
    for name, adapter in _adapters(type(source)).items():
        value = getattr(source, name)
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"]
            yield Fault(name, f"{said[:1].lower()}{said[1:]}, not {value!r}"[:300])


@cache
def _adapters(definition: type[Definition]) -> Mapping[str, TypeAdapter[Any]]:
    hints = get_type_hints(definition, include_extras=True)
    return {one.name: _adapter(hints[one.name]) for one in fields(definition)}


def _adapter(hint: Any) -> TypeAdapter[Any]:  # noqa: ANN401 (an annotation may be anything)
    if is_dataclass(hint):
        return TypeAdapter(InstanceOf[hint])
    return TypeAdapter(hint, config=_TYPES)


def _table(source: Definition) -> Iterator[Fault]:
    """Require a model that pandera can read, with column types that every store can keep."""
    model = source.rows.__name__
    try:
        dtypes = source.dtypes
    except (pandera.errors.SchemaInitError, TypeError, AttributeError) as error:
        yield Fault("rows", f"{model} is no model that pandera reads: {error}")
        return
    known = ", ".join(map(str, COLUMN_TYPES))
    for name, dtype in dtypes.items():
        if dtype not in COLUMN_TYPES:
            yield Fault("rows", f"{model}.{name} is {dtype}; a column's type is one of {known}")


def _name(source: Definition) -> Iterator[Fault]:
    if not _NAME.fullmatch(source.name):
        yield Fault("name", f"{source.name!r} is no name of a table; write it like ote_price")


def _texts(source: Definition) -> Iterator[Fault]:
    texts = {name: getattr(source, name) for name in _TEXTS}
    for name, text in {**texts, "provider": source.provider.name}.items():
        if not text.strip():
            yield Fault(name, "is empty; the catalogue shows it")


def _descriptions(source: Definition) -> Iterator[Fault]:
    for name, column in source.schema.columns.items():
        if not (column.description or "").strip():
            yield Fault(
                "rows",
                f"{source.rows.__name__}.{name} has no description;"
                f' write pa.Field(description="…")',
            )


def _units(source: Definition) -> Iterator[Fault]:
    for name, dtype in source.dtypes.items():
        if dtype.is_float() and unit_of(name) is None and name not in source.key:
            some = ", ".join(list(UNITS)[:3])
            yield Fault(
                "rows",
                f"{source.rows.__name__}.{name} says no unit; end its name with one of"
                f" energy_platform/market/units.py ({some}, …), or add its unit there",
            )


def _quantities(source: Definition) -> Iterator[Fault]:
    yield from _unknown("quantities", source.quantities, list(source.dtypes), source)
    for name in source.dtypes:
        if name not in source.kinds:
            some = f"{{{name!r}: Quantity.{Quantity.LEVEL.name}}}"
            yield Fault("quantities", f"{name!r} may be of several kinds; say which, as in {some}")


def _key(source: Definition) -> Iterator[Fault]:
    said = [name for name in source.dtypes if name not in PROVENANCE_COLUMNS]
    if not source.key:
        yield Fault("key", f"is empty; name what tells one fact from another of {_list(said)}")
    yield from _unknown("key", source.key, said, source)
    if repeated := sorted({name for name in source.key if source.key.count(name) > 1}):
        yield Fault("key", f"names {_list(repeated)} twice")


def _event_time(source: Definition) -> Iterator[Fault]:
    instants = [name for name, dtype in source.dtypes.items() if dtype == INSTANT]
    offered = [name for name in instants if name not in PROVENANCE_COLUMNS]
    if source.event_time not in source.dtypes:
        yield from _unknown("event_time", (source.event_time,), offered, source)
    elif source.event_time not in instants:
        dtype = source.dtypes[source.event_time]
        yield Fault(
            "event_time", f"{source.event_time!r} is {dtype}, no instant; take {_list(offered)}"
        )
    elif source.schema.columns[source.event_time].nullable:
        yield Fault("event_time", f"{source.event_time!r} may be null; every fact has its time")


def _revision(source: Definition) -> Iterator[Fault]:
    if source.revision is None:
        return
    ordered = [
        name
        for name, dtype in source.dtypes.items()
        if (dtype == INSTANT or dtype.is_integer()) and name not in PROVENANCE_COLUMNS
    ]
    if source.revision not in source.dtypes:
        yield from _unknown("revision", (source.revision,), ordered, source)
    elif source.revision not in ordered:
        dtype = source.dtypes[source.revision]
        yield Fault(
            "revision", f"{source.revision!r} is {dtype}; take a whole number or an instant"
        )
    elif source.revision in source.key:
        yield Fault("revision", f"{source.revision!r} is in the key; then no row has a second one")


def _knowable(source: Definition) -> Iterator[Fault]:
    instants = [name for name, dtype in source.dtypes.items() if dtype == INSTANT]
    texts = [name for name in source.key if source.dtypes[name] == pl.String]
    for rule in source.knowable or ():
        if isinstance(rule, Stated):
            yield from _unknown("knowable", (rule.stated_in,), instants, source)
        if isinstance(rule, Where):
            yield from _unknown("knowable", (rule.column,), texts, source)
        if AfterRun in (type(rule), type(getattr(rule, "rule", None))):
            yield from _unknown("knowable", (_RUN,), source.key, source)


def _whole_run(source: Definition) -> Iterator[Fault]:
    if source.whole_run is None:
        return
    yield from _unknown("whole_run", (_RUN,), source.key, source)
    if source.whole_run < 1:
        yield Fault("whole_run", f"a run has one value at least, not {source.whole_run}")


def _whole_list(source: Definition) -> Iterator[Fault]:
    listing = source.whole_list
    if listing is None:
        return
    said = [name for name in source.dtypes if name not in PROVENANCE_COLUMNS]
    expressions = (*listing.name.values(), listing.whole, listing.gone)
    read = [name for expression in expressions for name in expression.meta.root_names()]
    yield from _unknown("whole_list", dict.fromkeys(read), said, source)
    yield from _unknown("whole_list", listing.item or (), said, source)
    if listing.number is not None:
        yield from _unknown("whole_list", (listing.number,), source.key, source)
    if listing.asked and listing.asked.keys() != listing.name.keys():
        yield Fault(
            "whole_list",
            f"asked names {_list(listing.asked)}, and a list's name has {_list(listing.name)};"
            " say all its parts or none",
        )


def _hot(source: Definition) -> Iterator[Fault]:
    yield from _unknown("hot_tags", source.tags, source.key, source)
    placed = (*source.tags, source.event_time, *PROVENANCE_COLUMNS)
    values = [name for name in source.dtypes if name not in placed]
    unknown = list(_unknown("hot_fields", source.fields, values, source))
    yield from unknown
    stated = [name for name in values if name not in (*source.key, source.revision)]
    numbers = [name for name in stated if source.dtypes[name].is_numeric()]
    if not unknown and not set(numbers) & set(source.fields):
        yield Fault("hot_fields", f"{source.rows.__name__} has no number that a dashboard can plot")


def _expected_lag(source: Definition) -> Iterator[Fault]:
    if source.expected_lag <= timedelta():
        yield Fault("expected_lag", f"{source.expected_lag} is not above zero")


def _layouts_by(source: Definition) -> Iterator[Fault]:
    """Require names that the feed's context has."""
    if not isinstance(source.feed, NamesContext):
        return
    try:
        known = source.feed.context_names()
    except Exception as error:  # noqa: BLE001 (a source's own function may raise anything)
        yield Fault("feed", f"requests raises {type(error).__name__}: {error}")
        return
    for name in source.layouts_by:
        if name not in known:
            yield Fault(
                "layouts_by",
                f"no message says {name!r} in its context; choose from {_list(sorted(known))}",
            )


def _entitlement(source: Definition) -> Iterator[Fault]:
    if source.entitlement is None:
        return
    texts = [name for name in source.key if source.dtypes[name] == pl.String]
    yield from _unknown("entitlement", (source.entitlement,), texts, source)


def _vocabularies(source: Definition) -> Iterator[Fault]:
    texts = [name for name, dtype in source.dtypes.items() if dtype == pl.String]
    yield from _unknown("vocabularies", source.vocabularies, texts, source)


def _environment(source: Definition) -> Iterator[Fault]:
    for variable in source.required_environment:
        if not _VARIABLE.fullmatch(variable):
            yield Fault("required_environment", f"{variable!r} is no variable; write it LIKE_THIS")


def _unknown(
    field: str, names: Iterable[str], offered: Sequence[str], source: Definition
) -> Iterator[Fault]:
    for name in names:
        if name in offered:
            continue
        model = source.rows.__name__
        what = "does not fit" if name in source.dtypes else f"is no column of {model}"
        yield Fault(field, f"{name!r} {what}; choose from {_list(offered)}")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


_RULES: Final[tuple[tuple[Rule, ...], ...]] = (
    (_types,),
    (_table,),
    (_name, _texts, _descriptions, _units, _key, _event_time, _expected_lag, _environment),
    (_quantities, _revision, _knowable, _whole_run, _whole_list),
    (_hot, _layouts_by, _vocabularies, _entitlement),
)
"""The rules in steps: a rule reads only fields that earlier steps found correct."""
