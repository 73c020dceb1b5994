"""Ranks texts by a question in free words, with SQLite's full-text index, built for each question.

There are few texts. `energy_platform.reading.catalogue` supplies them.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from typing import Final

_WEIGHTS: Final = {
    "name": 100.0,
    "provider": 10.0,
    "market_group": 10.0,
    "protocol": 10.0,
    "description": 5.0,
    "columns": 1.0,
    "terms": 0.5,
    "countries": 0.5,
}
"""The searched fields, and the weight of a hit in each; a hit in the name outweighs all others.

All but the last are the fields of `Texts`; the countries are derived from them.
"""

_COUNTRIES: Final = {
    "AT": ("austria",),
    "BE": ("belgi",),
    "BG": ("bulgaria",),
    "CH": ("switzerland", "swiss"),
    "CZ": ("czech",),
    "DE": ("german",),
    "DK": ("denmark", "danish"),
    "ES": ("spain", "spanish"),
    "FI": ("finland", "finnish"),
    "FR": ("france", "french"),
    "GB": ("britain", "british"),
    "GR": ("greece", "greek"),
    "HR": ("croatia",),
    "HU": ("hungar",),
    "IE": ("ireland", "irish"),
    "IT": ("ital",),
    "LU": ("luxembourg",),
    "NL": ("netherlands", "dutch"),
    "NO": ("norw",),
    "PL": ("poland", "polish"),
    "PT": ("portug",),
    "RO": ("romania",),
    "SE": ("swed",),
    "SI": ("sloveni",),
    "SK": ("slovak",),
}
"""Country codes in bidding zones, and the beginnings of words that texts use instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts of one entry, in the order of `_WEIGHTS`."""

    name: str
    provider: str
    market_group: str
    protocol: str
    description: str
    columns: str
    terms: str


def ranked(things: Sequence[Texts], text: str) -> list[int]:
    """Return the positions of the entries that contain every word of `text`, the best first.

    A word matches words that begin with it, whatever the case and the accents. The code of a
    country also stands for its name, and the name for the code.
    """
    words = [word for word in text.split() if any(char.isalnum() for char in word)]
    if not words:
        return [*range(len(things))]
    columns, marks = ", ".join(_WEIGHTS), ", ".join("?" * len(_WEIGHTS))
    weights = ", ".join(map(str, _WEIGHTS.values()))
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            f"CREATE VIRTUAL TABLE asset USING fts5({columns}, "
            "tokenize = 'unicode61 remove_diacritics 2')"
        )
        connection.executemany(f"INSERT INTO asset VALUES ({marks})", map(_document, things))  # noqa: S608 (only question marks are inserted)
        best_first = f"ORDER BY bm25(asset, {weights}), rowid"
        found = connection.execute(
            f"SELECT rowid FROM asset WHERE asset MATCH ? {best_first}",  # noqa: S608 (numbers of this module)
            [" AND ".join(map(_condition, words))],
        )
        positions = [rowid - 1 for (rowid,) in found]
    # A whole name means the entry of that name, and none that only contains it.
    return sorted(positions, key=lambda at: things[at].name != "_".join(words).casefold())


def _document(thing: Texts) -> tuple[str, ...]:
    """Return the texts of an entry, one for each of `_WEIGHTS`."""
    texts: tuple[str, ...] = astuple(thing)
    return (*texts, " ".join(_countries(" ".join(texts))))


def _countries(text: str) -> list[str]:
    """Return the codes of the countries that a text mentions, by code or by name."""
    codes = set(re.findall(r"\b[A-Z]{2}(?=\d?\b)", text))
    folded = _folded(text)
    return [
        code
        for code, names in _COUNTRIES.items()
        if code in codes or any(re.search(rf"\b{name}", folded) for name in names)
    ]


def _condition(word: str) -> str:
    """Return the full-text query of one word."""
    folded = _folded(word)
    if word.upper() in _COUNTRIES:
        # The code alone, because "at" and "no" are words of every second description.
        return f'countries : "{word}"'
    beginning = '"{}" *'.format(word.replace('"', " "))
    codes = [code for code, names in _COUNTRIES.items() if folded.startswith(names)]
    return f"({beginning}{''.join(f' OR countries : {code}' for code in codes)})"


def _folded(text: str) -> str:
    """Return text in lower case, without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))
