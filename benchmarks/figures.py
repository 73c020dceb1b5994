"""The figures of a benchmark: each beside what is wanted of it, as a table and as JSON.

What is measured, and how, is each benchmark's own.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_MET: Final = {True: "met", False: "missed", None: "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value.

    Attributes:
        what: What was measured.
        value: The value; None where the measurement failed.
        unit: Its unit.
        wanted: What is wanted of it; None where nothing is.
        more_is_better: Whether the value should be at least what is wanted, or at most.
        note: What else is to be known of it; why the measurement failed.
    """

    what: str
    value: float | None
    unit: str
    wanted: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the value is as wanted; None where nothing is wanted."""
        if self.wanted is None:
            return None
        if self.value is None:
            return False
        return self.value >= self.wanted if self.more_is_better else self.value <= self.wanted


def print_table(figures: Sequence[Figure]) -> None:
    """Print figures as a table of Markdown."""
    print("| what | measured | wanted | verdict | |\n| --- | --- | --- | --- | --- |")
    for one in figures:
        print(
            f"| {one.what} | {_shown(one.value)} {one.unit} | {_shown(one.wanted)}"
            f" | {_MET[one.is_met]} | {one.note} |"
        )


def write_json(figures: Sequence[Figure], file: Path) -> None:
    """Write figures to a file."""
    told = [asdict(one) | {"is_met": one.is_met} for one in figures]
    file.write_text(json.dumps(told, indent=2) + "\n")


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"
