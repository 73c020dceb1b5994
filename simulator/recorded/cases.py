"""A source's test cases as a provider would say them: payloads, and the rows that they stand for.

The rows are those of a case's `expected.csv`: what the platform's own parser makes of a payload
is what they are held against. The form of a case is in `tests/testcases/README.md`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl

from energy_platform.market.source import MarketSource
from simulator.journal import Row
from simulator.world import World

TESTCASES: Final = Path(__file__).parents[2] / "tests" / "testcases"


@dataclass(frozen=True)
class Case:
    """One case of a source.

    Attributes:
        source: The source.
        folder: Where its files are.
    """

    source: MarketSource
    folder: Path

    @property
    def payloads(self) -> list[Path]:
        """The files of its payloads, in the order in which they are read."""
        return sorted(self.folder.glob("payload*"))

    @property
    def is_good(self) -> bool:
        """Whether a provider in good health says it: nothing of it is refused."""
        return not (self.folder / "quarantined.csv").exists()

    @cached_property
    def context(self) -> Mapping[str, str]:
        """What the case itself says of how its payloads came."""
        file = self.folder / "case.toml"
        about: Mapping[str, Any] = tomllib.loads(file.read_text()) if file.exists() else {}
        return {name: str(value) for name, value in about.get("context", {}).items()}

    def answers(self, question: Mapping[str, str]) -> bool:
        """Say whether its payloads may answer a question: nothing of their context gainsays it."""
        context = {**self.source.context, **self.context}
        return all(question.get(name, value) == value for name, value in context.items())

    def rows(self) -> Sequence[Row]:
        """Return the rows that its payloads stand for, in order; instants as the file has them."""
        text = pl.read_csv(self.folder / "expected.csv", infer_schema=False)
        return text.with_columns(
            _typed(name, self.source.dtypes[name]) for name in text.columns
        ).to_dicts()


def _typed(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_temporal() or dtype == pl.String:
        return pl.col(name)
    return pl.col(name) == "true" if dtype == pl.Boolean else pl.col(name).cast(dtype)


class Script:
    """What is said of one source in one run of a world, and journalled as it is.

    Attributes:
        source: The source.
        cases: Its good cases, or if these hold no row those of which some rows are good; the replay
            folder's, if it has any of this source, else its tests'.
    """

    def __init__(self, world: World, source: MarketSource) -> None:
        self._journal, self._clock = world.journal.reserved(source.name), world.clock
        self.source = source
        folders = world.recorded(source.name) or sorted((TESTCASES / source.name).glob("*/"))
        told = [Case(source, each) for each in folders if (each / "expected.csv").exists()]
        good = [case for case in told if case.is_good]
        with_rows = [case for case in told if case.rows()]
        self.cases = good if any(case in good for case in with_rows) else with_rows

    def say(self, case: Case) -> None:
        """Note that a case's payloads become visible now. Call it just before they do."""
        self._journal.emit(self._clock.now(), case.rows())
