"""A source's test cases: payloads, and the rows that they hold.

The rows are those of a case's `expected.csv`, against which the platform's parser is tested. The
form of a case is described in `tests/testcases/README.md`.
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
        """Whether a healthy provider would send it: none of it is refused."""
        return not (self.folder / "quarantined.csv").exists()

    @cached_property
    def context(self) -> Mapping[str, str]:
        """The case's own context of its payloads."""
        file = self.folder / "case.toml"
        about: Mapping[str, Any] = tomllib.loads(file.read_text()) if file.exists() else {}
        return {name: str(value) for name, value in about.get("context", {}).items()}

    def answers(self, question: Mapping[str, str]) -> bool:
        """Return whether its payloads may answer a question that their context fits."""
        context = {**self.source.context, **self.context}
        return all(question.get(name, value) == value for name, value in context.items())

    def rows(self) -> Sequence[Row]:
        """Return the rows of its payloads, in order; instants are in the form of the file."""
        text = pl.read_csv(self.folder / "expected.csv", infer_schema=False)
        return text.with_columns(
            _typed(name, self.source.dtypes[name]) for name in text.columns
        ).to_dicts()


def _typed(name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_temporal() or dtype == pl.String:
        return pl.col(name)
    return pl.col(name) == "true" if dtype == pl.Boolean else pl.col(name).cast(dtype)


class Script:
    """The cases of one source that are served in one run of a world, and journalled.

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
        """Journal a case whose payloads become visible now. Call it just before they do."""
        self._journal.emit(self._clock.now(), case.rows())
