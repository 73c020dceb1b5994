"""The address of Nord Pool Intraday, and the variables that hold its users' logins.

Every source that is one of its topics shares them.
"""

from typing import Final

from energy_platform.feeds.access_token import PasswordGrant
from energy_platform.feeds.websocket.feed import WebSocketFeed
from energy_platform.market.provider import Provider

NORD_POOL: Final = Provider(name="Nord Pool")
TOKENS: Final = PasswordGrant(
    url="https://sso.nordpoolgroup.com/connect/token",
    scope="global",
    username="NORD_POOL_USERNAME",
    password="NORD_POOL_PASSWORD",  # noqa: S106 (a variable's name)
    client_id="NORD_POOL_CLIENT_ID",
    client_secret="NORD_POOL_CLIENT_SECRET",  # noqa: S106 (a variable's name)
)


def intraday_topics(*topics: str) -> WebSocketFeed:
    """Return the feed of topics of the market data service, such as `v2/streaming/ticker`."""
    return WebSocketFeed(
        provider=NORD_POOL,
        url="wss://intraday-pmd-api-ws-nordpool.nordpoolgroup.com/user",
        topics=topics,
        tokens=TOKENS,
    )
