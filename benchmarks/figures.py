"""The figures of a benchmark, each with its goal, as a table and as JSON.

Each benchmark decides what to measure, and how.
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
        value: The value; None if the measurement failed.
        unit: Its unit.
        wanted: The goal; None if there is none.
        more_is_better: Whether the value should be at least the goal, or at most.
        note: A remark; why the measurement failed.
    """

    what: str
    value: float | None
    unit: str
    wanted: float | None = None
    more_is_better: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the value meets the goal; None if there is none."""
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
