"""The words of a question for a table, and what a text or a value must have to meet each.

A phrase of the vocabulary is one word, and so is a name of several parts, `DE-LU`. A German
compound is the words that it consists of. Little words are left out.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import ClassVar, Final, Protocol

from energy_platform.reading.vocabulary import (
    CONCEPTS,
    COUNTRIES,
    LITTLE_WORDS,
    ONLY_ASKED,
    OUTSIDE_THE_CONTINENT,
    REGIONS,
)
from energy_platform.reading.words import any_of, begun_by, folded, mended, parts_of, singulars

_NARROWER: Final = 0.4
_IN_EUROPE: Final = 0.3
_APART: Final = 0.6
_LATER_IN_VALUE: Final = 0.6
"""How much less counts: a narrower thing, a text on all of Europe, the parts of a name, and what
a value does not begin with."""

_LONGEST_PHRASE: Final = 4
_SHORTEST_OF_COMPOUNDS: Final = 3
_BETWEEN: Final = re.compile(r"[\s,;/+&|]+")
"""What separates words; other signs join the parts of a name."""
_CODE: Final = r"(?<![A-Za-z])(?:{})(?=\d?(?![A-Za-z]))"
_EUROPE: Final = any_of(CONCEPTS["europe"].words)


class Word(Protocol):
    """A word of a question, with all that it may be called."""

    def in_text(self, text: str) -> float:
        """Return how far a text has the word: 1 if it does, 0 if not."""

    def in_value(self, value: str) -> float:
        """Return how far a column's value, or its code, has it: most if it begins with it."""

    @property
    def is_place(self) -> bool:
        """Whether it says where, and not what."""


@dataclass(frozen=True)
class Thing:
    """A concept of the vocabulary."""

    name: str
    is_place: ClassVar[bool] = False

    @cached_property
    def _own(self) -> re.Pattern[str]:
        return any_of(word for word in CONCEPTS[self.name].words if word not in ONLY_ASKED)

    @cached_property
    def _narrower(self) -> re.Pattern[str] | None:
        also = [word for name in CONCEPTS[self.name].also for word in CONCEPTS[name].words]
        return any_of(also) if also else None

    def in_text(self, text: str) -> float:
        """Return 1 for one of its words, and less for one of a narrower concept."""
        if self._own.search(folded(text)):
            return 1.0
        is_narrower = self._narrower is not None and self._narrower.search(folded(text))
        return _NARROWER if is_narrower else 0.0

    def in_value(self, value: str) -> float:
        """Return 1 if a value begins with one of its words, and less for what else has one."""
        return self.in_text(value) * _by_place_in(self._own, value)


@dataclass(frozen=True)
class Countries:
    """Some countries, by their codes."""

    codes: tuple[str, ...]
    is_place: ClassVar[bool] = True

    @cached_property
    def _words(self) -> re.Pattern[str]:
        return any_of(word for code in self.codes for word in COUNTRIES[code])

    @cached_property
    def _code(self) -> re.Pattern[str]:
        also = ("UK",) if "GB" in self.codes else ()
        return re.compile(_CODE.format("|".join((*self.codes, *also))))

    def in_text(self, text: str) -> float:
        """Return 1 for one of their words or codes, and less for a text on all of Europe."""
        if self._code.search(text) or self._words.search(folded(text)):
            return 1.0
        if not OUTSIDE_THE_CONTINENT.isdisjoint(self.codes):
            return 0.0
        return _IN_EUROPE if _EUROPE.search(folded(text)) else 0.0

    def in_value(self, value: str) -> float:
        """Return whether a value is, begins with or names one of the countries."""
        begins = self._code.search(value.upper())
        return 1.0 if begins or self._words.search(folded(value)) else 0.0


@dataclass(frozen=True)
class Literal:
    """A word that is in no vocabulary: it matches words that begin with it."""

    word: str
    is_place: ClassVar[bool] = False

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return begun_by(self.word)

    def in_text(self, text: str) -> float:
        """Return whether a word begins so."""
        return 1.0 if self._pattern.search(folded(text)) else 0.0

    def in_value(self, value: str) -> float:
        """Return 1 if a value begins so, and less if another word of it does."""
        return self.in_text(value) * _by_place_in(self._pattern, value)


@dataclass(frozen=True)
class Together:
    """Words that are written as one, `DE-LU`: as one they count more than one by one."""

    phrase: str
    words: tuple[Word, ...]

    @property
    def is_place(self) -> bool:
        """Whether all its parts are places."""
        return all(word.is_place for word in self.words)

    def in_text(self, text: str) -> float:
        """Return 1 for the phrase, and less for its parts one by one."""
        if f" {self.phrase} " in folded(text):
            return 1.0
        return _APART * min(word.in_text(text) for word in self.words)

    def in_value(self, value: str) -> float:
        """Return whether a value has the phrase."""
        return 1.0 if f" {self.phrase} " in folded(value) else 0.0


def _by_place_in(pattern: re.Pattern[str], value: str) -> float:
    return 1.0 if pattern.match(folded(value)) else _LATER_IN_VALUE


def words_of(question: str) -> list[Word]:
    """Return the words of a question, in order; little ones only if there are no others."""
    names = [folded(name).split() for name in _BETWEEN.split(question)]
    tokens = [token for name in names for token in name]
    ends = [end for name, end in zip(names, _ends(names), strict=True) for _ in name]
    telling = [token for token in tokens if token not in LITTLE_WORDS]
    if not telling:
        return [Literal(token) for token in tokens]
    words: list[Word] = []
    at = 0
    while at < len(tokens):
        found, after = _next(tokens, at, ends[at])
        words += found
        at = after
    return words


def mended_word(word: Literal, told: Collection[str]) -> Word:
    """Return the word that someone who mistyped it may have meant; the same, if there is none.

    Args:
        word: A word that nothing has.
        told: Words that texts have, beside those of the vocabulary.
    """
    meant = mended(word.word, {*told, *_compounded()})
    return word if meant is None else _named().get(meant, Literal(meant))


def _ends(names: Sequence[Sequence[str]]) -> Iterator[int]:
    end = 0
    for name in names:
        end += len(name)
        yield end


def _next(tokens: Sequence[str], at: int, end: int) -> tuple[list[Word], int]:
    """Return the words that begin at a position, and the position after them.

    Args:
        tokens: All parts of all names.
        at: The position.
        end: Where the name ends to which the part at this position belongs.
    """
    for length in range(_LONGEST_PHRASE, 1, -1):
        if word := _known(" ".join(tokens[at : at + length])):
            return [word], min(at + length, len(tokens))
    if end > at + 1:
        parts = tuple(word for token in tokens[at:end] for word in _single(token))
        return [Together(" ".join(tokens[at:end]), parts)], end
    return [] if tokens[at] in LITTLE_WORDS else _single(tokens[at]), at + 1


def _single(token: str) -> list[Word]:
    if word := _known(token):
        return [word]
    parts = parts_of(token, _compounded())
    return [_named()[part] for part in parts] if parts else [Literal(token)]


def _known(phrase: str) -> Word | None:
    named = _named()
    return next((named[one] for one in singulars(phrase) if one in named), None)


@cache
def _named() -> Mapping[str, Word]:
    """Return every phrase of the vocabulary."""
    regions = {word: Countries(codes) for words, codes in REGIONS.values() for word in words}
    codes = {code.lower(): Countries((code,)) for code in COUNTRIES}
    names = {word: Countries((code,)) for code, words in COUNTRIES.items() for word in words}
    things = {word: Thing(name) for name, one in CONCEPTS.items() for word in one.words}
    return {**codes, **regions, **names, **things}


@cache
def _compounded() -> frozenset[str]:
    """Return the single words of which German makes compounds."""
    return frozenset(
        word for word in _named() if " " not in word and len(word) >= _SHORTEST_OF_COMPOUNDS
    )
