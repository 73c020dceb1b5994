"""The rule for the latest row of a key, as SQL: `revisions.revision_order` for SQL engines.

BigQuery's queries and dbt's macros are both built from these parts, so the rule is written once.
Whole queries are built elsewhere.
"""

from collections.abc import Callable
from typing import Final

from energy_platform.history.revisions import Revised, revision_order
from energy_platform.market.whole_list import WITHDRAWN

EVERY_ROW: Final = "TRUE"


def latest_first(source: Revised, place: str, name: Callable[[str], str] = str) -> str:
    """Return the columns that sort the rows of a key, latest first and nulls last.

    Args:
        source: The source or question that the rows belong to.
        place: The column that orders the rows of one message.
        name: How the engine writes a column's name.
    """
    columns = [*map(name, revision_order(source)), place]
    return ", ".join(f"{column} DESC NULLS LAST" for column in columns)


def listed(*, has_withdrawals: bool, name: Callable[[str], str] = str) -> str:
    """Return the condition that holds for a key's latest row unless it is withdrawn."""
    return f"{name(WITHDRAWN)} IS NOT TRUE" if has_withdrawals else EVERY_ROW
