"""Which topics a visitor may watch. It is asked when a topic is opened, never per frame."""

from typing import Final

from energy_platform.dashboard.access.visitor import ALL_PORTFOLIOS, Visitor
from energy_platform.errors import UsageError

_OF_A_PORTFOLIO: Final = ("positions", "exposure")
_OF_A_USER: Final = "alarms"
_OF_ALL_PORTFOLIOS: Final = "source:position"
"""Its rows are those of every portfolio."""


class NotEntitledError(UsageError):
    """The visitor may not see this."""


def require_may_watch(visitor: Visitor, topic: str) -> None:
    """Refuse a topic that shows what a visitor may not see: a portfolio, another user's alarms.

    Raises:
        NotEntitledError: It does.
    """
    kind, _, rest = topic.partition(":")
    if kind in _OF_A_PORTFOLIO:
        require_may_see(visitor, rest if kind == "positions" else rest.rsplit(":", 2)[0])
    elif kind == _OF_A_USER:
        if rest != visitor.name:
            raise NotEntitledError(f"{visitor.name} may not see the alarms of others")
    elif topic == _OF_ALL_PORTFOLIOS:
        require_may_see(visitor, ALL_PORTFOLIOS)


def require_may_see(visitor: Visitor, portfolio: str) -> None:
    """Refuse a portfolio that a visitor may not see; `*` means all of them.

    Raises:
        NotEntitledError: They may not see it.
    """
    if not visitor.may_see(portfolio):
        what = "every portfolio" if portfolio == ALL_PORTFOLIOS else f"portfolio {portfolio}"
        raise NotEntitledError(f"{visitor.name} may not see {what}")
