"""What a visitor may see: which topics they may watch, and which rows they may read.

Topics are asked about when they are opened, never per frame.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from energy_platform.dashboard.access.visitor import ALL_PORTFOLIOS, Visitor
from energy_platform.errors import UsageError
from energy_platform.market.registry import market_sources
from energy_platform.market.source import MarketSource
from energy_platform.reading.where import Value

_OF_A_PORTFOLIO: Final = ("positions", "exposure")
_OF_A_USER: Final = "alarms"

Wanted = Mapping[str, Sequence[Value]]
"""Of key columns the values of which a row must have one."""


class NotEntitledError(UsageError):
    """The visitor may not see this."""


def require_may_watch(visitor: Visitor, topic: str) -> None:
    """Refuse a topic that shows what a visitor may not see: a portfolio, another user's alarms.

    Raises:
        NotEntitledError: It does.
    """
    kind, _, rest = topic.partition(":")
    if kind in _OF_A_PORTFOLIO:
        # A position's portfolio has no comma in its name; an exposure is that of several.
        named = [rest] if kind == "positions" else rest.rsplit(":", 2)[0].split(",")
        for portfolio in named:
            require_may_see(visitor, portfolio)
    elif kind == _OF_A_USER:
        if rest != visitor.name:
            raise NotEntitledError(f"{visitor.name} may not see the alarms of others")
    elif kind == "source" and (source := market_sources().get(rest)) and source.entitlement:
        require_may_see(visitor, ALL_PORTFOLIOS)  # its rows are those of every portfolio


def require_may_see(visitor: Visitor, portfolio: str) -> None:
    """Refuse a portfolio that a visitor may not see; `*` means all of them.

    Raises:
        NotEntitledError: They may not see it.
    """
    if not visitor.may_see(portfolio):
        what = "every portfolio" if portfolio == ALL_PORTFOLIOS else f"portfolio {portfolio}"
        raise NotEntitledError(f"{visitor.name} may not see {what}")


def asked_portfolios(visitor: Visitor, named: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the portfolios of which a visitor asks for rows; `*` alone if that is all of them.

    Who names none asks for those that they may see; the portfolio `*` means all of them.

    Raises:
        NotEntitledError: They may not see one of them.
    """
    for portfolio in named:
        require_may_see(visitor, portfolio)
    wanted = tuple(named) or visitor.portfolios
    return (ALL_PORTFOLIOS,) if ALL_PORTFOLIOS in wanted else wanted


def visible(visitor: Visitor, source: MarketSource) -> tuple[str, ...] | None:
    """Return the portfolios of a source that a visitor may see; None if they may see every row."""
    portfolios = asked_portfolios(visitor)
    return None if source.entitlement is None or ALL_PORTFOLIOS in portfolios else portfolios


def entitled(visitor: Visitor, source: MarketSource, wanted: Wanted) -> Wanted:
    """Return the wanted values of key columns, narrowed to rows that a visitor may see.

    The portfolio `*` means all of them.

    Raises:
        NotEntitledError: They name a portfolio that the visitor may not see.
    """
    column = source.entitlement
    if column is None:
        return wanted
    portfolios = asked_portfolios(visitor, [str(one) for one in wanted.get(column, ())])
    beside = {name: values for name, values in wanted.items() if name != column}
    return beside if ALL_PORTFOLIOS in portfolios else {column: portfolios, **beside}
