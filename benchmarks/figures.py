"""The figures of a benchmark, each with its goal, as a table and as JSON.

Each benchmark decides what to measure, and how; `goals` has the goals of the hot path.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

VERDICTS: Final = {True: "met", False: "missed", None: "-"}


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
            f"| {one.what} | {shown(one.value)} {one.unit} | {shown(one.wanted)}"
            f" | {VERDICTS[one.is_met]} | {one.note} |"
        )


def write_json(figures: Sequence[Figure], file: Path, **details: object) -> None:
    """Write figures to a file, and what else a benchmark has to tell beside them."""
    told = [asdict(one) | {"is_met": one.is_met} for one in figures]
    file.write_text(json.dumps({"figures": told, **details}, indent=2) + "\n")


def read_json(file: Path) -> list[Figure]:
    """Return the figures that a benchmark wrote to a file."""
    names = [field.name for field in fields(Figure)]
    written: list[Mapping[str, Any]] = json.loads(file.read_bytes())["figures"]
    return [Figure(**{name: one[name] for name in names}) for one in written]


def shown(value: float | None) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"
