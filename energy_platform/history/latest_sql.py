"""Which row of a key is the latest, as SQL: `revisions.revision_order` in the words of engines.

BigQuery's queries and dbt's macros are both made of these parts, so the rule stands once. Whole
queries are elsewhere.
"""

from collections.abc import Callable
from typing import Final

from energy_platform.history.revisions import Revised, revision_order
from energy_platform.market.whole_list import WITHDRAWN

EVERY_ROW: Final = "TRUE"


def latest_first(source: Revised, place: str, name: Callable[[str], str] = str) -> str:
    """Return what orders the rows of a key, the latest first; null comes behind every value.

    Args:
        source: Whose rows they are.
        place: Tells where a row stands among those of its message.
        name: How the engine writes a column's name.
    """
    columns = [*map(name, revision_order(source)), place]
    return ", ".join(f"{column} DESC NULLS LAST" for column in columns)


def listed(*, has_withdrawals: bool, name: Callable[[str], str] = str) -> str:
    """Return what is true of the latest row of a key, unless it is withdrawn."""
    return f"{name(WITHDRAWN)} IS NOT TRUE" if has_withdrawals else EVERY_ROW
