"""Waits until a panel shows what the stores have now."""

from collections.abc import Callable, Sequence

import pytest

from tests.browser.platform.pages import Panel, Place, Table
from tests.browser.platform.shown import Line, Row, agrees, first
from tests.support.screens import PATIENCE_SECONDS, Screen

AGREED_SECONDS = 3 * PATIENCE_SECONDS


def wait_until_agreed(screen: Screen, name: str, panel: Panel, place: Place) -> None:
    """Wait until a panel shows what the stores have; of one that moves, each line at some look."""
    looks: list[Sequence[str]] = []
    agreed: set[tuple[str, ...]] = set()

    def whole() -> bool:
        looks.append(panel.differences(screen, name, None, place))
        return not looks[-1]

    def line_by_line(table: Table) -> Callable[[], bool]:
        def named(line: Line | Row) -> tuple[str, ...]:
            return tuple(str(line[column]) for column in table.moves)

        def look() -> bool:
            shown = {named(line): line for line in screen.lines(name)}
            wanted = {named(row): row for row in table.lines(None, place)}
            differ = {
                one: [f"{' '.join(one)}, {column}: {shown.get(one, {}).get(column)!r} and {right}"
                      for column, right in row.items()
                      if not agrees(shown.get(one, {}).get(column), right)]
                for one, row in wanted.items()
            }  # fmt: skip
            agreed.update(one for one, found in differ.items() if not found)
            looks.append([text for one in wanted.keys() - agreed for text in differ[one]])
            return bool(shown) and shown.keys() == wanted.keys() and wanted.keys() <= agreed

        return look

    look = line_by_line(panel) if isinstance(panel, Table) and panel.moves else whole
    try:
        screen.until(look, AGREED_SECONDS)
    except AssertionError:
        differ = first(looks[-1]) if looks else "nothing could be read of it"
        pytest.fail(f"{name} does not show what the stores have:\n{differ}")
