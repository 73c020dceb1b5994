"""Finds tables by what people call them: names, values, synonyms, codes, and German words.

Every word of a question must be met, by one of a table's texts or by a value of one of its columns.
`reading.asked_words` reads the question and `reading.vocabulary` has the synonyms; callers supply
the tables' texts and values.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from energy_platform.market.column_info import ColumnInfo
from energy_platform.reading.asked_words import Literal, Word, mended_word, words_of
from energy_platform.reading.words import folded

_NAME: Final = 12.0
_NAME_OF_WEATHER: Final = 6.0
_VALUE: Final = 6.0
_TEXTS: Final = {"provider": 6.0, "description": 5.0, "group": 3.0, "protocol": 2.0, "terms": 0.5}
_COLUMN_NAME: Final = 3.0
_COLUMN_DESCRIPTION: Final = 1.5
"""What it is worth that a table has a word there; wind is first what the market makes of it."""

_ROWS_OF_PLACE: Final = 8.0
_ONLY_PLACE: Final = 12.0
_TEXT_ON_PLACE: Final = 5.0
"""What a place is worth: it says which rows are wanted and not of what, so it counts once."""

_BESIDE_THE_KEY: Final = 0.5
"""How much less a value counts that tells no series from another."""


class Described(Protocol):
    """What the search must know of a table; a `Dataset` and an entry of the catalogue have it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def provider(self) -> str:
        """Who publishes it."""

    @property
    def group(self) -> str:
        """Its market group, or `marts`."""

    @property
    def protocol(self) -> str:
        """How it arrives."""

    @property
    def description(self) -> str:
        """What it is."""

    @property
    def terms(self) -> str:
        """Its terms of use."""

    @property
    def columns(self) -> tuple[ColumnInfo, ...]:
        """Its columns, with the values that they are known to take."""

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that tell one fact from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A table that a question finds.

    Attributes:
        at: Its position among the tables.
        score: How well it fits.
        columns: The columns whose names or descriptions have a word of the question.
        where: The values that have one, by their key columns.
    """

    at: int
    score: float
    columns: tuple[str, ...]
    where: Mapping[str, tuple[str, ...]]


@dataclass(slots=True)
class _Met:
    """Where a table meets one word of a question, and what that is worth."""

    score: float = 0.0
    columns: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    in_values: float = 0.0


def hits(tables: Sequence[Described], question: str) -> list[Hit]:
    """Return the tables that meet every word of a question, the best first; all, if it has none.

    A word matches words that begin with it, its synonyms and, a country, every zone and code of it;
    case and accents don't matter. A word that no table has is taken for the known one that it
    resembles.
    """
    words = _words(question, tables)
    found = [hit for at, table in enumerate(tables) if (hit := _hit(at, table, words))]
    if not words:
        return found
    whole = "_".join(folded(question).split())
    return sorted(found, key=lambda hit: _rank(tables[hit.at], hit, whole))


def _words(question: str, tables: Sequence[Described]) -> list[Word]:
    """Return the words of a question; one that no table has is mended, if it resembles another."""
    return [
        word
        if not isinstance(word, Literal) or any(_met(table, word).score for table in tables)
        else mended_word(word, _told(tables))
        for word in words_of(question)
    ]


def _told(tables: Iterable[Described]) -> set[str]:
    """Return the words of the tables' names, descriptions and columns."""
    texts = (
        " ".join((one.name, one.provider, one.description, *(c.name for c in one.columns)))
        for one in tables
    )
    return {word for text in texts for word in folded(text).split()}


def _rank(table: Described, hit: Hit, whole: str) -> tuple[bool, float, bool, int, str]:
    """Order by a whole name, then by score; of equals, sources and what has many series go first.

    A source has every revision, and a mart only what is known now.
    """
    series = sum(len(column.values) for column in table.columns if column.name in table.key)
    is_mart = table.group == "marts"
    return (table.name != whole, -round(hit.score, 6), is_mart, -series, table.name)


def _hit(at: int, table: Described, words: Sequence[Word]) -> Hit | None:
    met = [_met(table, word) for word in words]
    if not all(one.score for one in met):
        return None
    where: dict[str, dict[str, None]] = {}
    for one in met:
        for column, values in one.values.items():
            if column in table.key:
                where.setdefault(column, {}).update(dict.fromkeys(values))
    return Hit(
        at=at,
        score=sum(one.score for one in met),
        columns=tuple(dict.fromkeys(column for one in met for column in one.columns)),
        where={column: tuple(values) for column, values in where.items()},
    )


def _met(table: Described, word: Word) -> _Met:
    met = _met_in_columns(table, word)
    in_name = word.in_text(_spaced(table.name))
    texts = {name: word.in_text(getattr(table, name)) for name in _TEXTS}
    if word.is_place:
        met.score = max(
            _ROWS_OF_PLACE * met.in_values,
            _ONLY_PLACE * (texts["description"] == 1 and not met.in_values),
            _TEXT_ON_PLACE * max(in_name, *texts.values()),
        )
    else:
        name = _NAME_OF_WEATHER if table.group == "weather" else _NAME
        met.score += max(name * in_name, _VALUE * met.in_values)
        met.score += sum(weight * texts[name] for name, weight in _TEXTS.items())
    return met


def _met_in_columns(table: Described, word: Word) -> _Met:
    met, named, described = _Met(), 0.0, 0.0
    for column in table.columns:
        in_name, in_description = word.in_text(_spaced(column.name)), word.in_text(column.described)
        named, described = max(named, in_name), max(described, in_description)
        if in_name or in_description:
            met.columns.append(column.name)
        if fits := dict(_values_with(column, word)):
            best = max(fits.values())
            met.values[column.name] = [value for value, fit in fits.items() if fit == best]
            weight = 1.0 if column.name in table.key else _BESIDE_THE_KEY
            met.in_values = max(met.in_values, weight * best)
    if word.in_text(_spaced(table.name)):
        named = max(named, met.in_values)
    met.score = _COLUMN_NAME * named + _COLUMN_DESCRIPTION * described
    return met


def _values_with(column: ColumnInfo, word: Word) -> Iterator[tuple[str, float]]:
    codes = column.codes or ("",) * len(column.values)
    for value, code in zip(column.values, codes, strict=True):
        if fit := max(word.in_value(value), word.in_value(code)):
            yield value, fit


def _spaced(name: str) -> str:
    """Return a name as words, in capitals, so that a country's code in it is seen."""
    return name.replace("_", " ").upper()
