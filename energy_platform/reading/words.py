"""Words of texts and of questions: folded, found in a text, taken apart, and mended.

Pure functions; what the words mean is in `reading.vocabulary`.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import Final

_ENDINGS: Final = ("s", "es", "e", "n", "en", "er", "ische", "ischer", "isches", "ischen")
"""How a plural or a German case ends."""
_LINKS: Final = ("", "s", "es", "e", "n", "en", "er")
"""What German puts between the parts of a compound, or after the last one."""
_SHORTEST_PART: Final = 3
_SHORTEST_TYPO: Final = 5
_ALIKE: Final = 0.8


@cache
def folded(text: str) -> str:
    """Return a text's words in lower case, without accents, each between two blanks.

    >>> folded("reBAP, ČEPS_load")
    ' rebap ceps load '
    """
    apart = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in apart if not unicodedata.combining(char))
    return f" {' '.join(re.findall(r'[a-z0-9]+', plain))} "


def singulars(phrase: str) -> Iterator[str]:
    """Yield a phrase, and the phrases of which it may be a plural or another case.

    >>> list(singulars("prices"))
    ['prices', 'price', 'pric']
    """
    yield phrase
    for ending in _ENDINGS:
        if phrase.endswith(ending):
            yield phrase.removesuffix(ending)


def any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """Return the pattern of folded texts that contain one of these phrases, or its plural."""
    longest_first = sorted(map(re.escape, phrases), key=len, reverse=True)
    return re.compile(f" (?:{'|'.join(longest_first)})(?:{'|'.join(_ENDINGS)})?(?= )")


def begun_by(word: str) -> re.Pattern[str]:
    """Return the pattern of folded texts with a word that begins so; a plural finds the singular.

    >>> bool(begun_by("outages").search(folded("An outage")))
    True
    """
    stem = word[:-1] if len(word) > _SHORTEST_TYPO and word.endswith("s") else word
    return re.compile(f" {re.escape(stem)}")


def parts_of(word: str, known: Collection[str]) -> list[str] | None:
    """Return the known words of which a German compound consists, if it consists of such alone.

    >>> parts_of("windprognosen", {"wind", "prognose"})
    ['wind', 'prognose']
    >>> parts_of("windjacke", {"wind"}) is None
    True
    """
    if not word:
        return []
    for end in range(len(word), _SHORTEST_PART - 1, -1):
        if word[:end] not in known:
            continue
        rest = word[end:]
        for link in _LINKS:
            if rest.startswith(link) and (
                (after := parts_of(rest.removeprefix(link), known)) is not None
            ):
                return [word[:end], *after]
    return None


def mended(word: str, known: Collection[str]) -> str | None:
    """Return the known word that someone who mistyped it meant.

    >>> mended("nuclaer", {"nuclear", "wind"})
    'nuclear'
    """
    if len(word) < _SHORTEST_TYPO:
        return None
    return next(iter(get_close_matches(word, known, n=1, cutoff=_ALIKE)), None)
