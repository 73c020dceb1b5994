"""The reference pages of the reading library, written from its code by `energy-platform generate`.

One page lists the public functions as their docstrings describe them, the other every table with
its columns. The guides in `docs/reading` explain; nothing here does.
"""

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

import energy_platform
from energy_platform.market.column_info import ColumnInfo
from energy_platform.reading.dataset import Dataset

_WRITTEN: Final = "Written by `energy-platform generate`; do not edit."
_SECTION: Final = re.compile(r"(Args|Attributes|Returns|Yields|Raises):\n((?:[ ]{4}.*\n|\n)+)")
_ENTRY: Final = re.compile(r"^(\w+): ", re.MULTILINE)
_TITLES: Final[Mapping[str, str]] = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Yields": "Yields",
    "Raises": "Raises",
}
_MOST_VALUES: Final = 12
"""How many of a column's values the dictionary names; `ep.values` has all."""


def api_reference() -> str:
    """Return the page of the public names, in alphabetical order, as Markdown."""
    names = sorted(
        set(energy_platform.__all__) - {"__version__"}, key=lambda name: (name.casefold(), name)
    )
    return _page(
        "# Functions",
        "Each function is a method of what `ep.connect(...)` returns, too. `energy_platform` is"
        " imported as `ep`.",
        *(part for name in names for part in _described(name)),
    )


def data_dictionary(datasets: Iterable[Dataset]) -> str:
    """Return the page of all tables and their columns, as Markdown."""
    ordered = sorted(datasets, key=lambda one: (one.kind == "mart", one.name))
    return _page(
        "# Tables",
        "Every market source, then every mart. All instants are UTC. The columns of a key tell one"
        " fact from another; the event time is the one that `start` and `end` bound.",
        *(part for one in ordered for part in _table(one)),
    )


def _page(*parts: str) -> str:
    return "\n\n".join([parts[0], _WRITTEN, *parts[1:]]) + "\n"


def _described(name: str) -> Iterator[str]:
    found = getattr(energy_platform, name)
    yield f"## `{name}`"
    if inspect.ismodule(found):
        yield from _prose(inspect.getdoc(found) or "")
        for error in _errors(found):
            yield f"- `{error.__name__}`: {_first_sentence(error)}"
        return
    if inspect.isroutine(found):
        yield f"```python\nep.{name}{_signature(found)}\n```"
    yield from _prose(inspect.getdoc(found) or "")


def _errors(module: object) -> list[type[Exception]]:
    members = vars(module).values()
    return [one for one in members if inspect.isclass(one) and issubclass(one, Exception)]


def _first_sentence(documented: object) -> str:
    return " ".join((inspect.getdoc(documented) or "").partition("\n\n")[0].split())


def _signature(function: object) -> str:
    """Return a function's arguments with their defaults, without their types."""
    told = inspect.signature(function)  # type: ignore[arg-type]
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in told.parameters.values()]
    line = str(told.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return textwrap.fill(line, 96, subsequent_indent="    ", break_on_hyphens=False)


def _prose(docstring: str) -> Iterator[str]:
    """Yield a docstring's paragraphs as Markdown: sections as lists, examples as code."""
    rest = f"{docstring}\n"
    while found := _SECTION.search(rest):
        yield from _paragraphs(rest[: found.start()])
        yield f"**{_TITLES[found[1]]}**"
        yield _entries(textwrap.dedent(found[2]))
        rest = rest[found.end() :]
    yield from _paragraphs(rest)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.startswith(">>>"):
            yield f"```pycon\n{paragraph}\n```"
        elif paragraph:
            yield " ".join(paragraph.split())


def _entries(text: str) -> str:
    """Return a section's entries as a list; a section without names as a paragraph."""
    starts = [match.start() for match in _ENTRY.finditer(text)]
    if not starts:
        return " ".join(text.split())
    pieces = [text[at:end] for at, end in zip(starts, [*starts[1:], None], strict=True)]
    named = (" ".join(piece.split()).partition(": ") for piece in pieces)
    return "\n".join(f"- `{name}`: {meaning}" for name, _, meaning in named)


def _table(about: Dataset) -> Iterator[str]:
    yield f"## `{about.name}`"
    yield about.description
    facts = {
        "Provider": about.provider,
        "Market group": about.group,
        "Protocol": about.protocol,
        "Key": ", ".join(f"`{name}`" for name in about.key),
        "Event time": f"`{about.event_time}`",
        "Late after": _duration(about.expected_lag),
        "Made of": ", ".join(f"`{name}`" for name in about.upstream),
        "Terms": about.terms,
    }
    yield "\n".join(f"- {name}: {value}" for name, value in facts.items() if value)
    yield "\n".join(
        [
            "| column | type | unit | kind of quantity | what |",
            "| --- | --- | --- | --- | --- |",
            *map(_row, about.columns),
        ]
    )


def _duration(lasts: timedelta) -> str:
    minutes = lasts // timedelta(minutes=1)
    parts = {"d": minutes // 1440, "h": minutes // 60 % 24, "min": minutes % 60}
    return " ".join(f"{count} {unit}" for unit, count in parts.items() if count) or f"{lasts}"


def _row(column: ColumnInfo) -> str:
    described = column.description or ""
    if column.values:
        more = ", …" if len(column.values) > _MOST_VALUES else ""
        shown = ", ".join(f"`{value}`" for value in column.values[:_MOST_VALUES])
        described = f"{described}: {shown}{more}" if described else f"{shown}{more}"
    kind = "instant" if column.type.startswith("Datetime") else column.type.lower()
    nullable = ", or none" if column.nullable else ""
    cells = (f"`{column.name}`", f"{kind}{nullable}", column.unit, column.quantity, described)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: object) -> str:
    return " ".join(str(text or "").replace("|", r"\|").split())
